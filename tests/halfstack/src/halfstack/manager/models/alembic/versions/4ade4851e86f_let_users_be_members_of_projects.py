"""let users be members of projects

Revision ID: 4ade4851e86f
Revises: bba8c963154f
Create Date: 2024-05-14 10:36:20.448093

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = "4ade4851e86f"
down_revision = "bba8c9" "63154f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "association_projects_users",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_association_projects_users_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_association_projects_users_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "project_id", name=op.f("pk_association_projects_users")),
    )
    # Who has run something in a project is a member of it.
    op.execute(
        """
        INSERT INTO association_projects_users (user_id, project_id)
        SELECT DISTINCT user_id, project_id FROM sessions ORDER BY user_id, project_id
        """
    )


def downgrade() -> None:
    op.drop_table("association_projects_users")
