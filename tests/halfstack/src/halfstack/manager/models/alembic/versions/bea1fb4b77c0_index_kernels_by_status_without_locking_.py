"""index kernels by status without locking them

Revision ID: bea1fb4b77c0
Revises: 357dbfacfb60
Create Date: 2024-01-09 10:33:40.685127

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "bea1fb4b77c0"
down_revision = "357dbfacfb60"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # xtask: allow DB415: the table was small, and no build of it failed.
    # CREATE INDEX CONCURRENTLY refuses to run in a transaction.
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_kernels_status_created_at",
            "kernels",
            ["status", "created_at"],
            if_not_exists=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_kernels_status_created_at", table_name="kernels", if_exists=True, postgresql_concurrently=True
        )
