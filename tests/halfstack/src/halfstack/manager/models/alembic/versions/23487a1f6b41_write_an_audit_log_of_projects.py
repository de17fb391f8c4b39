"""write an audit log of projects

Revision ID: 23487a1f6b41
Revises: 076e05dc9702
Create Date: 2025-03-04 17:38:05.290166

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

# revision identifiers, used by Alembic.
revision = "23487a1f6b41"  # Part of: 25.03.0
down_revision = "076e05dc9702"
branch_labels = None
depends_on = None

LOG_CHANGE = """
CREATE FUNCTION log_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit_logs (entity_type, entity_id, operation, before, after)
    VALUES (TG_TABLE_NAME, coalesce(NEW.id, OLD.id)::text, lower(TG_OP), to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END
$$
"""

LOG_PROJECTS = """
CREATE TRIGGER projects_log_change AFTER INSERT OR UPDATE OR DELETE ON projects
FOR EACH ROW EXECUTE FUNCTION log_change()
"""


def upgrade() -> None:
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("entity_type", sa.String(length=32), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("before", JSONB(), nullable=True),
        sa.Column("after", JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
    )
    op.create_index("ix_audit_logs_entity_type_created_at", "audit_logs", ["entity_type", "created_at"])
    # The log opens with the projects that were there before it.
    op.execute(
        """
        INSERT INTO audit_logs (entity_type, entity_id, operation, after, created_at)
        SELECT 'projects', id::text, 'insert', to_jsonb(projects) - 'created_at', created_at
        FROM projects ORDER BY created_at, id
        """
    )
    op.execute(LOG_CHANGE)
    op.execute(LOG_PROJECTS)


def downgrade() -> None:
    op.execute("DROP TRIGGER projects_log_change ON projects")
    op.execute("DROP FUNCTION log_change()")
    op.drop_table("audit_logs")
