"""merge heads 69f93e33c6ca and a2f824fa34c5 for 24.03

Revision ID: bba8c963154f
Revises: 69f93e33c6ca, a2f824fa34c5
Create Date: 2024-03-29 18:02:54.630217

"""

from collections.abc import Sequence
from typing import Union

# revision identifiers, used by Alembic.
revision: str = "bba8c963154f"  # Part of: 24.03.0
down_revision: Union[str, Sequence[str], None] = (
    "69f93e33c6ca",  # image aliases
    "a2f824fa34c5",  # statuses
)
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
