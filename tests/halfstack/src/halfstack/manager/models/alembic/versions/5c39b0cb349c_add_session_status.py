"""add session status

Revision ID: 5c39b0cb349c
Revises: f9cfb2357d75
Create Date: 2024-02-27 11:13:46.832905

"""

from typing import Union

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision: str = "5c39b0cb349c"
down_revision: Union[str, None] = "f9cfb2357d75"
branch_labels: Union[str, None] = None
depends_on: Union[str, None] = None

sessionstatus = sa.Enum("pending", "running", "terminated", "cancelled", name="sessionstatus")


def upgrade() -> None:
    sessionstatus.create(op.get_bind())
    op.add_column("sessions", sa.Column("status", sessionstatus, server_default="pending", nullable=False))
    op.execute(
        """
        UPDATE sessions
        SET status = CASE k.status
            WHEN 'serving' THEN 'running'
            WHEN 'terminated' THEN 'terminated'
            ELSE 'pending'
        END::sessionstatus
        FROM kernels k
        WHERE k.session_id = sessions.id
        """
    )


def downgrade() -> None:
    op.drop_column("sessions", "status")
    sessionstatus.drop(op.get_bind())
