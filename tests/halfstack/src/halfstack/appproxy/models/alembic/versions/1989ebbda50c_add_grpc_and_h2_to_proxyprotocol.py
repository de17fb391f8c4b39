"""add grpc and h2 to proxyprotocol

Revision ID: 1989ebbda50c
Revises: 2558c4805ff8
Create Date: 2024-01-17 10:02:36.579184

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "1989ebbda50c"  # Part of: 24.03.0
down_revision = "2558c4805ff8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE proxyprotocol ADD VALUE IF NOT EXISTS 'grpc'")
    op.execute("ALTER TYPE proxyprotocol ADD VALUE IF NOT EXISTS 'h2' BEFORE 'tcp'")


def downgrade() -> None:
    op.execute("ALTER TYPE proxyprotocol RENAME TO proxyprotocol_old")
    op.execute("CREATE TYPE proxyprotocol AS ENUM ('http', 'tcp')")
    op.execute("ALTER TABLE workers ALTER COLUMN protocol DROP DEFAULT")
    for table in ("workers", "circuits"):
        # grpc and h2 ran over http before they had names.
        op.execute(
            f"""
            ALTER TABLE {table} ALTER COLUMN protocol TYPE proxyprotocol
            USING CASE WHEN protocol IN ('grpc', 'h2') THEN 'http' ELSE protocol::text END::proxyprotocol
            """
        )
    op.execute("ALTER TABLE workers ALTER COLUMN protocol SET DEFAULT 'http'")
    op.execute("DROP TYPE proxyprotocol_old")
