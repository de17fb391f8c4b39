"""create circuits

Revision ID: 99bdb961f0f2
Revises: 397d7d34ec39
Create Date: 2023-06-28 15:40:02.117463

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

# revision identifiers, used by Alembic.
revision = "99bdb961f0f2"
down_revision = "397d7d34ec39"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "circuits",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("app", sa.String(length=255), nullable=False),
        # The type is that of the workers.
        sa.Column("protocol", ENUM(name="proxyprotocol", create_type=False), nullable=False),
        sa.Column("worker", sa.Uuid(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("open_to_public", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("endpoint_name", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["worker"], ["workers.id"], name=op.f("fk_circuits_worker_workers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_circuits")),
        sa.UniqueConstraint("worker", "port", name=op.f("uq_circuits_worker_port")),
    )
    op.execute(
        """
        INSERT INTO circuits (id, app, protocol, worker, port, created_at, updated_at, endpoint_name)
        SELECT md5('circuit' || port)::uuid, app, protocol, id, port,
               timestamptz '2023-06-28 00:00+00', timestamptz '2023-06-28 00:00+00', endpoint_name
        FROM workers
        JOIN (VALUES
            ('worker-1', 'jupyter', 10200, NULL),
            ('worker-1', 'inference', 10201, 'llm-small'),
            ('worker-1', 'inference', 10202, 'llm-small'),
            ('worker-2', 'sshd', 10400, NULL),
            ('worker-2', 'inference', 10401, 'speech')
        ) AS c (authority, app, port, endpoint_name) USING (authority)
        """
    )


def downgrade() -> None:
    op.drop_table("circuits")
