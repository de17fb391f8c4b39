"""add container registries

Revision ID: 571b624aa48d
Revises: f9cfb2357d75
Create Date: 2024-03-05 10:44:57.264109

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "571b624aa48d"
down_revision = "f9cfb2357d75"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "container_registries",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("is_global", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_container_registries")),
    )
    op.execute(
        """
        INSERT INTO container_registries (name, url)
        SELECT DISTINCT registry, 'https://' || registry FROM images ORDER BY registry
        """
    )
    op.create_foreign_key(
        op.f("fk_images_registry_container_registries"),
        "images",
        "container_registries",
        ["registry"],
        ["name"],
        onupdate="CASCADE",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_images_registry_container_registries"), "images", type_="foreignkey")
    op.drop_table("container_registries")
