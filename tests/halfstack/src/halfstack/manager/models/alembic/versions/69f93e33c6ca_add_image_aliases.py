"""add image aliases

Revision ID: 69f93e33c6ca
Revises: 571b624aa48d
Create Date: 2024-03-12 15:09:38.507721

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "69f93e33c6ca"
down_revision = "571b624aa48d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_aliases",
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_aliases_image_id_images"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_image_aliases")),
    )
    op.create_index(op.f("ix_image_aliases_image_id"), "image_aliases", ["image_id"], unique=False)
    op.execute(
        """
        INSERT INTO image_aliases (alias, image_id)
        SELECT substring(repository FROM '[^/]+$'), id FROM images ORDER BY repository
        """
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_image_aliases_image_id"), table_name="image_aliases")
    op.drop_table("image_aliases")
