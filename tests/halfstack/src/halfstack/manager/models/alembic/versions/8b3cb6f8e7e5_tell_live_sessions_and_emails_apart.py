"""tell live sessions and emails apart

A session name may come back once its session has ended, an email not even in other letters.

Revision ID: 8b3cb6f8e7e5
Revises: bf4da9a92f69
Create Date: 2024-09-10 11:29:43.186275

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "8b3cb6f8e7e5"  # Part of: 24.09.0
down_revision = "bf4da9a92f69"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "uq_sessions_live_name",
        "sessions",
        ["name", "user_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'running')"),
    )
    op.drop_constraint("uq_users_email", "users", type_="unique")
    op.create_index("uq_users_lower_email", "users", [sa.text("lower(email)")], unique=True)


def downgrade() -> None:
    op.drop_index("uq_users_lower_email", table_name="users")
    op.create_unique_constraint("uq_users_email", "users", ["email"])
    op.drop_index("uq_sessions_live_name", table_name="sessions")
