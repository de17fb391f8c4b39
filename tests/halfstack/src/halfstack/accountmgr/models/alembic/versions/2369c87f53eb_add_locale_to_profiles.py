"""add locale to profiles

Revision ID: 2369c87f53eb
Revises: 18d7e3acf3e8
Create Date: 2025-02-11 15:36:24.790153

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "2369c87f53eb"
down_revision = "18d7e3acf3e8"
branch_labels = None
depends_on = None

OWNER_ID = "c5a1a7c8-3a55-4a63-a2be-0d7a7a2b0e11"


def upgrade() -> None:
    op.add_column("profiles", sa.Column("locale", sa.String(length=16), server_default="en", nullable=False))
    op.execute(
        f"""
        INSERT INTO accounts (id, email, role, created_at)
        VALUES ('{OWNER_ID}', 'owner@halfstack.example', 'owner', '2025-02-11 00:00+00')
        """
    )
    op.execute(
        f"""
        INSERT INTO profiles (account_id, name, display_name, locale)
        VALUES ('{OWNER_ID}', 'default', 'Owner', 'en'), ('{OWNER_ID}', 'seoul', NULL, 'ko')
        """
    )


def downgrade() -> None:
    # The profiles go with their account.
    op.execute(f"DELETE FROM accounts WHERE id = '{OWNER_ID}'")
    op.drop_column("profiles", "locale")
