"""add view of active sessions

Revision ID: 62142d7a8d35
Revises: 8b3cb6f8e7e5
Create Date: 2024-10-22 15:55:19.902634

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "62142d7a8d35"
down_revision = "8b3cb6f8e7e5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW active_sessions AS
        SELECT s.id, s.name, u.email, count(k.id) AS kernels
        FROM sessions s
        JOIN users u ON u.id = s.user_id
        LEFT JOIN kernels k ON k.session_id = s.id
        WHERE s.status = 'running'
        GROUP BY s.id, s.name, u.email
        """
    )
    op.execute("COMMENT ON VIEW active_sessions IS 'What runs now, for the dashboard'")


def downgrade() -> None:
    op.execute("DROP VIEW active_sessions")
