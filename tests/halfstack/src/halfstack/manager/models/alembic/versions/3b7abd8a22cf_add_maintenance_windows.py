"""add maintenance windows

Revision ID: 3b7abd8a22cf
Revises: 62142d7a8d35
Create Date: 2024-12-03 09:22:47.063518

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "3b7abd8a22cf"
down_revision = "62142d7a8d35"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("title", sa.String(length=128), nullable=False),
        sa.Column("period", postgresql.TSTZRANGE(), nullable=False),
        # The cluster is taken out of service for one reason at a time.
        postgresql.ExcludeConstraint(("period", "&&"), using="gist", name="ex_maintenance_windows_period"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_windows")),
    )
    op.execute(
        """
        INSERT INTO maintenance_windows (title, period)
        VALUES
            ('Upgrade of the storage servers', '[2024-12-07 22:00+00, 2024-12-08 04:00+00)'),
            ('Replacement of i-edge01', '[2024-12-14 22:00+00, 2024-12-14 23:30+00)')
        """
    )


def downgrade() -> None:
    op.drop_table("maintenance_windows")
