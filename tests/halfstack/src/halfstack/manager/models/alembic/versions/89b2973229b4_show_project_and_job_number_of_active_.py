"""show project and job number of active sessions

Revision ID: 89b2973229b4
Revises: b8bfe5847085
Create Date: 2025-07-08 16:45:24.534870

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "89b2973229b4"
down_revision = ("b8bfe5847085")
branch_labels = None
depends_on = None


def create_view(columns: str, joins: str, group_by: str) -> None:
    op.execute(
        f"""
        CREATE VIEW active_sessions AS
        SELECT s.id, s.name, u.email, count(k.id) AS kernels{columns}
        FROM sessions s
        JOIN users u ON u.id = s.user_id
        {joins}LEFT JOIN kernels k ON k.session_id = s.id
        WHERE s.status = 'running'
        GROUP BY s.id, s.name, u.email{group_by}
        """
    )
    op.execute("COMMENT ON VIEW active_sessions IS 'What runs now, for the dashboard'")


def upgrade() -> None:
    # The view holds on to the type of the column.
    op.execute("DROP VIEW active_sessions")
    op.alter_column("sessions", "name", existing_type=sa.String(length=64), type_=sa.Text())
    create_view(
        ", p.name AS project, s.job_number",
        "JOIN projects p ON p.id = s.project_id\n        ",
        ", p.name, s.job_number",
    )


def downgrade() -> None:
    op.execute("DROP VIEW active_sessions")
    op.alter_column("sessions", "name", existing_type=sa.Text(), type_=sa.String(length=64))
    create_view("", "", "")
