"""create workers

Revision ID: 397d7d34ec39
Revises:
Create Date: 2023-06-14 11:07:33.650198

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "397d7d34ec39"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("authority", sa.String(length=255), nullable=False),
        sa.Column("frontend_mode", sa.Enum("wildcard", "port", name="frontendmode"), nullable=False),
        sa.Column("protocol", sa.Enum("http", "tcp", name="proxyprotocol"), server_default="http", nullable=False),
        sa.Column("hostname", sa.String(length=1024), nullable=False),
        sa.Column("first_port", sa.Integer(), nullable=True),
        sa.Column("last_port", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sa.UniqueConstraint("authority", name=op.f("uq_workers_authority")),
    )
    op.execute(
        """
        INSERT INTO workers (id, authority, frontend_mode, protocol, hostname, first_port, last_port, created_at)
        VALUES
            ('6b7bd0a5-0a6d-4e0b-9c55-4f0a5b1c9d01', 'worker-1', 'port', 'http', 'proxy1.halfstack.example',
             10200, 10300, '2023-06-14 00:00+00'),
            ('6b7bd0a5-0a6d-4e0b-9c55-4f0a5b1c9d02', 'worker-2', 'port', 'tcp', 'proxy2.halfstack.example',
             10400, 10500, '2023-06-14 00:00+00')
        """
    )


def downgrade() -> None:
    op.drop_table("workers")
    op.execute("DROP TYPE proxyprotocol")
    op.execute("DROP TYPE frontendmode")
