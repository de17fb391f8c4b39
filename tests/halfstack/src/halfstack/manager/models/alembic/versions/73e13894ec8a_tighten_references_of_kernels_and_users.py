"""tighten references of kernels and users

Revision ID: 73e13894ec8a
Revises: 89b2973229b4
Create Date: 2025-09-16 12:19:41.873652

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "73e13894ec8a"  # Part of: 25.15.0
down_revision = "89b2973229b4"
branch_labels = None
depends_on = None


def replace_foreign_key(column: str, referred: str, ondelete: str | None) -> None:
    name = op.f(f"fk_kernels_{column}_{referred}")
    op.drop_constraint(name, "kernels", type_="foreignkey")
    op.create_foreign_key(name, "kernels", referred, [column], ["id"], ondelete=ondelete)


def upgrade() -> None:
    replace_foreign_key("agent", "agents", "RESTRICT")
    replace_foreign_key("session_id", "sessions", "CASCADE")
    op.execute("UPDATE users SET domain_name = 'default' WHERE domain_name IS NULL")
    op.alter_column("users", "domain_name", existing_type=sa.String(length=64), nullable=False)


def downgrade() -> None:
    op.alter_column("users", "domain_name", existing_type=sa.String(length=64), nullable=True)
    replace_foreign_key("session_id", "sessions", None)
    replace_foreign_key("agent", "agents", "SET NULL")
