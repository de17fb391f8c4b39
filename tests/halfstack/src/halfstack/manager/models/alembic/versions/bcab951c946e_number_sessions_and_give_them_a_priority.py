"""number sessions and give them a priority

Revision ID: bcab951c946e
Revises: f05e46cee772
Create Date: 2023-10-10 11:52:38.710264

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence, Sequence

# revision identifiers, used by Alembic.
revision = "bcab951c946e"
down_revision = (
    "f05e46cee772"
)
branch_labels = None
depends_on = None

job_numbers = Sequence("session_job_number_seq", start=1000)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("priority", sa.Integer(), server_default="10", nullable=False))
    op.create_check_constraint("priority_range", "sessions", "priority BETWEEN 0 AND 100")

    op.execute(CreateSequence(job_numbers))
    op.add_column("sessions", sa.Column("job_number", sa.BigInteger(), nullable=True))
    # The sessions there are get numbers in the order they were made, the next one the number after.
    op.execute(
        """
        UPDATE sessions SET job_number = n.job_number
        FROM (SELECT id, 999 + row_number() OVER (ORDER BY created_at, id) AS job_number FROM sessions) n
        WHERE n.id = sessions.id
        """
    )
    op.execute(
        "SELECT setval('session_job_number_seq', coalesce(max(job_number) + 1, 1000), false) FROM sessions"
    )
    op.alter_column(
        "sessions", "job_number", server_default=sa.text("nextval('session_job_number_seq')"), nullable=False
    )
    op.create_unique_constraint(op.f("uq_sessions_job_number"), "sessions", ["job_number"])


def downgrade() -> None:
    op.drop_constraint(op.f("uq_sessions_job_number"), "sessions", type_="unique")
    op.drop_column("sessions", "job_number")
    op.execute(DropSequence(job_numbers))
    op.drop_constraint("priority_range", "sessions", type_="check")
    op.drop_column("sessions", "priority")
