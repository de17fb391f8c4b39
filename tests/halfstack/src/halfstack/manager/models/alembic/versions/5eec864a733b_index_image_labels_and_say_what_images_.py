"""index image labels and say what images are

Revision ID: 5eec864a733b
Revises: bea1fb4b77c0
Create Date: 2024-01-30 13:05:22.906618

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "5eec864a733b"  # Part of: 24.03.0
down_revision = "bea1fb4b77c0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_images_labels",
        "images",
        ["labels"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    )
    op.create_table_comment("images", "Images that sessions may be started from")
    op.alter_column(
        "images", "name", existing_type=sa.Text(), comment="registry/repository:tag, as the engine takes it"
    )


def downgrade() -> None:
    op.alter_column("images", "name", existing_type=sa.Text(), comment=None)
    op.drop_table_comment("images", existing_comment="Images that sessions may be started from")
    op.drop_index("ix_images_labels", table_name="images", postgresql_using="gin")
