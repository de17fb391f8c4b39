"""widen slot and image name columns

The number of CPU slots was kept as text; it becomes a number, since agents may offer half a core.

Revision ID: 83f8810e80a6
Revises: fa3759f0ad0c
Create Date: 2023-08-21 12:31:14.093726

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "83f8810e80a6"
down_revision = "fa3759f0ad0c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # xtask: allow DB409: a cluster has hundreds of agents, not millions
    op.alter_column("agents", "mem_slots", existing_type=sa.Integer(), type_=sa.BigInteger())
    op.alter_column(
        "agents",
        "cpu_slots",
        existing_type=sa.String(length=16),
        type_=sa.Numeric(8, 2),
        postgresql_using="cpu_slots::numeric(8, 2)",
    )
    op.alter_column("images", "name", existing_type=sa.String(length=255), type_=sa.Text())


def downgrade() -> None:
    op.alter_column("images", "name", existing_type=sa.Text(), type_=sa.String(length=255))
    op.alter_column(
        "agents",
        "cpu_slots",
        existing_type=sa.Numeric(8, 2),
        type_=sa.String(length=16),
        # 8.00 was written as 8.
        postgresql_using="trim_scale(cpu_slots)::varchar(16)",
    )
    op.alter_column("agents", "mem_slots", existing_type=sa.BigInteger(), type_=sa.Integer())
