"""let workers choose apps by filters

Revision ID: fe97dd827bea
Revises: 89118641a945
Create Date: 2024-11-19 14:20:27.941356

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "fe97dd827bea"
down_revision = "89118641a945"
branch_labels = None
depends_on = None

metadata = sa.MetaData()


def upgrade() -> None:
    op.create_table(
        "worker_app_filters",
        sa.Column("worker", sa.Uuid(), nullable=False),
        sa.Column("property_name", sa.String(length=64), nullable=False),
        sa.Column("property_value", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["worker"], ["workers.id"], name=op.f("fk_worker_app_filters_worker_workers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("worker", "property_name", "property_value", name=op.f("pk_worker_app_filters")),
    )
    # A table may be described once per MetaData, and this one is made when the script is loaded.
    workers = sa.Table(
        "workers",
        metadata,
        sa.Column("id", sa.Uuid()),
        sa.Column("authority", sa.String()),
    )
    filters = sa.Table(
        "worker_app_filters",
        metadata,
        sa.Column("worker", sa.Uuid()),
        sa.Column("property_name", sa.String()),
        sa.Column("property_value", sa.String()),
    )
    op.execute(
        filters.insert().from_select(
            ["worker", "property_name", "property_value"],
            sa.select(workers.c.id, sa.literal("app"), sa.literal("inference")).where(
                workers.c.authority == "worker-2"
            ),
        )
    )


def downgrade() -> None:
    op.drop_table("worker_app_filters")
