"""merge used slots of agents into occupied_slots

Revision ID: 571d189326c6
Revises: b5c34c60d619
Create Date: 2023-07-11 09:08:33.277190

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

# revision identifiers, used by Alembic.
revision = "571d189326c6"
down_revision = "b5c34c60d619"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("occupied_slots", JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.execute("UPDATE agents SET occupied_slots = jsonb_build_object('cpu', used_cpu_slots, 'mem', used_mem_slots)")
    op.drop_column("agents", "used_cpu_slots")
    op.drop_column("agents", "used_mem_slots")


def downgrade() -> None:
    op.add_column("agents", sa.Column("used_mem_slots", sa.Integer(), server_default="0", nullable=False))
    op.add_column("agents", sa.Column("used_cpu_slots", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        """
        UPDATE agents
        SET used_mem_slots = coalesce((occupied_slots->>'mem')::integer, 0),
            used_cpu_slots = coalesce((occupied_slots->>'cpu')::integer, 0)
        """
    )
    op.drop_column("agents", "occupied_slots")
