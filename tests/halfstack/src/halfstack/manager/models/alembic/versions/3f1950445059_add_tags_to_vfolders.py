"""add tags to vfolders

Revision ID: 3f1950445059
Revises: b5c34c60d619
Create Date: 2023-07-18 15:26:02.418855

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = '3f1950445059'
down_revision = 'b5c34c60d619'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'vfolders',
        sa.Column('tags', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_index('ix_vfolders_tags', 'vfolders', ['tags'], postgresql_using='gin')
    op.execute("UPDATE vfolders SET tags = ARRAY['shared', 'read-mostly'] WHERE name = 'datasets'")


def downgrade() -> None:
    op.drop_index('ix_vfolders_tags', table_name='vfolders', postgresql_using='gin')
    op.drop_column('vfolders', 'tags')
