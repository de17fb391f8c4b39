"""add terminating to agentstatus

Revision ID: 89d01236a8a4
Revises: 5c39b0cb349c
Create Date: 2024-03-08 09:50:13.719584

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "89d01236a8a4"
down_revision = "5c39b0cb349c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A label that is added in a transaction cannot be used in it, and a later revision may want to.
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE agentstatus ADD VALUE IF NOT EXISTS 'terminating' AFTER 'lost'")


def downgrade() -> None:
    # PostgreSQL cannot take a label away: the type is made anew without it.
    op.execute("ALTER TABLE agents ALTER COLUMN status DROP DEFAULT")
    op.execute("ALTER TYPE agentstatus RENAME TO agentstatus_old")
    op.execute("CREATE TYPE agentstatus AS ENUM ('alive', 'lost', 'terminated')")
    op.execute(
        """
        ALTER TABLE agents ALTER COLUMN status TYPE agentstatus
        USING CASE status WHEN 'terminating' THEN 'terminated' ELSE status::text END::agentstatus
        """
    )
    op.execute("ALTER TABLE agents ALTER COLUMN status SET DEFAULT 'alive'")
    op.execute("DROP TYPE agentstatus_old")
