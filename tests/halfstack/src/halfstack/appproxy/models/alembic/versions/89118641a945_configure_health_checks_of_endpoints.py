"""configure health checks of endpoints

Revision ID: 89118641a945
Revises: 1989ebbda50c
Create Date: 2024-07-02 16:31:55.208641

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

# revision identifiers, used by Alembic.
revision = "89118641a945"
down_revision = "1989ebbda50c"
branch_labels = None
depends_on = None

endpoints = sa.table("endpoints", sa.column("name", sa.String), sa.column("health_check_enabled", sa.Boolean))


def upgrade() -> None:
    op.add_column(
        "endpoints",
        sa.Column("health_check_enabled", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("endpoints", sa.Column("health_check_config", JSONB(), nullable=True))
    op.execute(endpoints.update().where(endpoints.c.name == "llm-small").values(health_check_enabled=True))
    op.execute(
        """
        UPDATE endpoints
        SET health_check_config = jsonb_build_object('path', '/health', 'interval', 10.0, 'max_retries', 3)
        WHERE health_check_enabled
        """
    )


def downgrade() -> None:
    op.drop_column("endpoints", "health_check_config")
    op.drop_column("endpoints", "health_check_enabled")
