"""index tokens that expire

Revision ID: c2d9a3e2b1c5
Revises: 9a81eb2127f4
Create Date: 2025-10-21 17:12:09.583047

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "c2d9a3e2b1c5"
down_revision = "9a81eb2127f4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tokens", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_tokens_expires_at",
        "tokens",
        ["expires_at"],
        postgresql_where=sa.text("revoked_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_tokens_expires_at", table_name="tokens")
    op.drop_column("tokens", "revoked_at")
