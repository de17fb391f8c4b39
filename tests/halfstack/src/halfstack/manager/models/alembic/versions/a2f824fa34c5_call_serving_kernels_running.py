"""call serving kernels running

Revision ID: a2f824fa34c5
Revises: 89d01236a8a4
Create Date: 2024-03-19 14:27:31.095846

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "a2f824fa34c5"
down_revision = "89d01236a8a4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TYPE kernelstatus RENAME VALUE 'serving' TO 'running'")


def downgrade() -> None:
    op.execute("ALTER TYPE kernelstatus RENAME VALUE 'running' TO 'serving'")
