"""add keypairs and resource policies

Revision ID: 27e5436a9bee
Revises: eb3dc450168b
Create Date: 2023-02-06 16:03:12.889103

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "27e5436a9bee"
down_revision = "eb3dc450168b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The constraints are named by the naming convention of the target metadata.
    op.create_table(
        "keypair_resource_policies",
        sa.Column("name", sa.String(256), primary_key=True),
        sa.Column(
            "total_resource_slots",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("max_concurrent_sessions", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "keypairs",
        sa.Column("access_key", sa.String(20), primary_key=True),
        sa.Column("secret_key", sa.String(40), nullable=False),
        sa.Column("user_id", postgresql.UUID(), sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column(
            "resource_policy", sa.String(256), sa.ForeignKey("keypair_resource_policies.name"), nullable=False
        ),
        sa.Column("is_active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("rate_limit", sa.Integer, server_default="30000", nullable=False),
    )


def downgrade() -> None:
    op.drop_table("keypairs")
    op.drop_table("keypair_resource_policies")
