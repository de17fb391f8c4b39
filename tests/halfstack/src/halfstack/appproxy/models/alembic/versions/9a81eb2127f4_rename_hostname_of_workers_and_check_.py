"""rename hostname of workers and check their ports

Revision ID: 9a81eb2127f4
Revises: fe97dd827bea
Create Date: 2025-04-08 11:45:18.036729

"""

from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '9a81eb2127f4'
down_revision: Union[str, Sequence[str], None] = 'fe97dd827bea'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    """Upgrade schema."""
    op.alter_column("workers", "hostname", new_column_name="api_host", existing_type=sa.String(length=1024))
    op.create_check_constraint(
        op.f("ck_workers_port_range"), "workers", "first_port BETWEEN 1 AND last_port AND last_port <= 65535"
    )
    op.alter_column("circuits", "updated_at", server_default=sa.func.now())


def downgrade() -> None:
    """Downgrade schema."""
    op.alter_column("circuits", "updated_at", server_default=None)
    op.drop_constraint(op.f("ck_workers_port_range"), "workers", type_="check")
    op.alter_column("workers", "api_host", new_column_name="hostname", existing_type=sa.String(length=1024))
