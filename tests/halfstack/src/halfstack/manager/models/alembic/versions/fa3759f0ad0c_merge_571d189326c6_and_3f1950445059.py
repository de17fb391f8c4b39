"""merge 571d189326c6 and 3f1950445059

Revision ID: fa3759f0ad0c
Revises: 571d189326c6, 3f1950445059
Create Date: 2023-07-24 10:00:45.553401

"""

# revision identifiers, used by Alembic.
revision = "fa3759f0ad0c"
down_revision = ("571d189326c6", "3f1950445059")
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
