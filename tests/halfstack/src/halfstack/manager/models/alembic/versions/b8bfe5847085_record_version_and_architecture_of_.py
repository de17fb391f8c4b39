"""record version and architecture of agents

Revision ID: b8bfe5847085
Revises: 23487a1f6b41
Create Date: 2025-05-20 10:10:58.617329

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "b8bfe5847085"
down_revision = "23487a1f6b41"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("agents") as batch_op:
        # The default fills the rows there are; from now on each agent says its version.
        batch_op.add_column(sa.Column("version", sa.String(length=32), server_default="23.03.0", nullable=False))
        batch_op.alter_column("version", existing_type=sa.String(length=32), server_default=None)
        batch_op.add_column(sa.Column("architecture", sa.String(length=16), server_default="x86_64", nullable=False))
    op.execute("UPDATE agents SET architecture = 'aarch64' WHERE region = 'edge'")


def downgrade() -> None:
    with op.batch_alter_table("agents") as batch_op:
        batch_op.drop_column("architecture")
        batch_op.drop_column("version")
