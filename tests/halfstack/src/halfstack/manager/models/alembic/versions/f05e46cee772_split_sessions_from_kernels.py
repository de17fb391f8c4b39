"""split sessions from kernels

Until here each kernel was a session of its own, so a session takes over the id of its kernel.

Revision ID: f05e46cee772
Revises: 83f8810e80a6
Create Date: 2023-09-18 18:09:27.361945

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "f05e46cee772"  # Part of: 23.09.0
down_revision = "83f8810e80a6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_sessions_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.execute(
        """
        INSERT INTO sessions (id, name, user_id, project_id, created_at)
        SELECT id, sess_name, user_id, project_id, created_at FROM kernels
        """
    )
    op.add_column("kernels", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE kernels SET session_id = id")
    op.alter_column("kernels", "session_id", nullable=False)
    op.create_foreign_key(op.f("fk_kernels_session_id_sessions"), "kernels", "sessions", ["session_id"], ["id"])
    op.create_index(op.f("ix_kernels_session_id"), "kernels", ["session_id"])
    op.drop_column("kernels", "sess_name")


def downgrade() -> None:
    op.add_column("kernels", sa.Column("sess_name", sa.String(length=64), nullable=True))
    op.execute("UPDATE kernels SET sess_name = s.name FROM sessions s WHERE s.id = kernels.session_id")
    op.alter_column("kernels", "sess_name", nullable=False)
    op.drop_index(op.f("ix_kernels_session_id"), table_name="kernels")
    op.drop_constraint(op.f("fk_kernels_session_id_sessions"), "kernels", type_="foreignkey")
    op.drop_column("kernels", "session_id")
    op.drop_table("sessions")
