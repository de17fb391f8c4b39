"""add agents and kernels

Revision ID: 5461231776ee
Revises: 0679ff1f5482
Create Date: 2023-03-13 14:55:30.041288

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "5461231776ee"
down_revision = "0679ff1f5482"
branch_labels = None
depends_on = None

agentstatus = postgresql.ENUM("alive", "lost", "terminated", name="agentstatus", create_type=False)
kernelstatus = postgresql.ENUM("preparing", "serving", "terminated", name="kernelstatus", create_type=False)


def upgrade() -> None:
    agentstatus.create(op.get_bind())
    kernelstatus.create(op.get_bind())
    op.create_table(
        "agents",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("status", agentstatus, server_default="alive", nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("addr", sa.String(length=128), nullable=False),
        sa.Column("mem_slots", sa.Integer(), nullable=False),
        sa.Column("cpu_slots", sa.String(length=16), nullable=False),
        sa.Column("first_contact", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_mem_slots", sa.Integer(), server_default="0", nullable=False),
        sa.Column("used_cpu_slots", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
    )
    op.create_index(op.f("ix_agents_region"), "agents", ["region"])
    op.create_table(
        "kernels",
        sa.Column("id", postgresql.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("status", kernelstatus, server_default="preparing", nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=True),
        sa.Column("image", sa.String(length=512), nullable=False),
        sa.Column("user_id", postgresql.UUID(), nullable=False),
        sa.Column("group_id", postgresql.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("terminated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sess_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["agent"], ["agents.id"], name=op.f("fk_kernels_agent_agents"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_kernels_user_id_users")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_kernels_group_id_groups")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kernels")),
    )
    op.create_index(op.f("ix_kernels_group_id"), "kernels", ["group_id"])


def downgrade() -> None:
    op.drop_table("kernels")
    op.drop_table("agents")
    kernelstatus.drop(op.get_bind())
    agentstatus.drop(op.get_bind())
