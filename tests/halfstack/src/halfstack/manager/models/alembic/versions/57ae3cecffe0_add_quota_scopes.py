"""add quota scopes

Revision ID: 57ae3cecffe0
Revises: 4ade4851e86f
Create Date: 2024-06-25 16:14:08.321750

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "57ae3cecffe0"
down_revision = "4ade4851e86f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quota_scopes",
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("hard_limit_bytes", sa.BigInteger(), nullable=False, comment="writes beyond this are refused"),
        sa.Column("usage_bytes", sa.BigInteger(), server_default="0", nullable=False, comment="as last measured"),
        sa.Column("options", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint(
            "hard_limit_bytes >= 0 AND usage_bytes >= 0", name=op.f("ck_quota_scopes_bytes_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_quota_scopes_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_quota_scopes")),
        comment="What a project may keep, over all of its folders",
    )
    op.execute(
        """
        DO $$
        DECLARE
            project record;
        BEGIN
            FOR project IN SELECT id FROM projects ORDER BY id LOOP
                INSERT INTO quota_scopes (project_id, hard_limit_bytes, usage_bytes)
                SELECT project.id, 107374182400, coalesce(sum(size_bytes), 0)
                FROM vfolders WHERE project_id = project.id;
            END LOOP;
        END
        $$
        """
    )


def downgrade() -> None:
    op.drop_table("quota_scopes")
