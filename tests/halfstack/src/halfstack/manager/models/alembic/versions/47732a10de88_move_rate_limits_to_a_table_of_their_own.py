"""move rate limits to a table of their own

Revision ID: 47732a10de88
Revises: 73e13894ec8a
Create Date: 2025-11-04 09:33:16.448205

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "47732a10de88"
down_revision = "73e13894ec8a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keypair_limits",
        sa.Column("access_key", sa.String(length=20), nullable=False),
        sa.Column("rate_limit", sa.Integer(), nullable=False),
        sa.CheckConstraint("rate_limit > 0", name=op.f("ck_keypair_limits_rate_limit_positive")),
        sa.ForeignKeyConstraint(
            ["access_key"],
            ["keypairs.access_key"],
            name=op.f("fk_keypair_limits_access_key_keypairs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("access_key", name=op.f("pk_keypair_limits")),
    )
    op.execute("INSERT INTO keypair_limits (access_key, rate_limit) SELECT access_key, rate_limit FROM keypairs")
    op.drop_column("keypairs", "rate_limit")


def downgrade() -> None:
    op.add_column("keypairs", sa.Column("rate_limit", sa.Integer(), server_default="30000", nullable=False))
    op.execute(
        """
        UPDATE keypairs SET rate_limit = l.rate_limit
        FROM keypair_limits l
        WHERE l.access_key = keypairs.access_key
        """
    )
    op.drop_table("keypair_limits")
