"""merge first and last name of users into full_name

Revision ID: 48c33d9705b8
Revises: bcab951c946e
Create Date: 2023-10-24 09:17:05.836479

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "48c33d9705b8"
down_revision = "bcab951c946e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("full_name", sa.String(length=128), nullable=True))
    op.execute(
        """
        UPDATE users SET full_name = concat_ws(' ', first_name, last_name)
        WHERE first_name IS NOT NULL OR last_name IS NOT NULL
        """
    )
    op.drop_column("users", "last_name")
    op.drop_column("users", "first_name")


def downgrade() -> None:
    # All before the first blank is the first name; without a blank there is no last name.
    op.add_column("users", sa.Column("first_name", sa.String(length=32), nullable=True))
    op.add_column("users", sa.Column("last_name", sa.String(length=64), nullable=True))
    op.execute(
        """
        UPDATE users
        SET first_name = split_part(full_name, ' ', 1),
            last_name = substring(full_name FROM position(' ' IN full_name) + 1)
        WHERE position(' ' IN full_name) > 0
        """
    )
    op.execute("UPDATE users SET first_name = full_name WHERE position(' ' IN full_name) = 0")
    op.drop_column("users", "full_name")
