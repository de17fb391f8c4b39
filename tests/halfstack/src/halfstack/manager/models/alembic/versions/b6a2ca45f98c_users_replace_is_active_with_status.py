"""users: replace is_active with status

Revision ID: b6a2ca45f98c
Revises: 48c33d9705b8
Create Date: 2023-11-14 14:40:51.029813

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "b6a2ca45f98c"
down_revision = "48c33d9705b8"
branch_labels = None
depends_on = None

userstatus = postgresql.ENUM("active", "inactive", "deleted", name="userstatus")


def upgrade() -> None:
    userstatus.create(op.get_bind())
    # The default has no cast to the new type, so it has to go first.
    op.alter_column("users", "is_active", server_default=None)
    op.alter_column(
        "users",
        "is_active",
        new_column_name="status",
        existing_type=sa.Boolean(),
        # xtask: allow DB409: some thousand users are rewritten in a blink
        type_=userstatus,
        postgresql_using="CASE WHEN is_active THEN 'active' ELSE 'inactive' END::userstatus",
    )
    op.alter_column("users", "status", server_default="active")


def downgrade() -> None:
    op.alter_column("users", "status", server_default=None)
    op.alter_column(
        "users",
        "status",
        new_column_name="is_active",
        existing_type=userstatus,
        type_=sa.Boolean(),
        postgresql_using="status = 'active'",
    )
    op.alter_column("users", "is_active", server_default=sa.true())
    userstatus.drop(op.get_bind())
