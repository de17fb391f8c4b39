"""rename groups to projects

Revision ID: a3e390f9ced6
Revises: 08ff843bd77a
Create Date: 2023-05-09 13:37:59.640016

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "a3e390f9ced6"  # Part of: 23.03.2
down_revision = "08ff843bd77a"
branch_labels = None
depends_on = None

CONSTRAINTS = [
    # table, name before, name after
    ("projects", "pk_groups", "pk_projects"),
    ("projects", "uq_groups_name_domain_name", "uq_projects_name_domain_name"),
    ("projects", "fk_groups_domain_name_domains", "fk_projects_domain_name_domains"),
    ("kernels", "fk_kernels_group_id_groups", "fk_kernels_project_id_projects"),
]


def upgrade() -> None:
    op.rename_table("groups", "projects")
    op.alter_column("kernels", "group_id", new_column_name="project_id")
    for table, before, after in CONSTRAINTS:
        op.execute(f'ALTER TABLE {table} RENAME CONSTRAINT "{before}" TO "{after}"')
    op.execute("ALTER INDEX ix_groups_domain_name RENAME TO ix_projects_domain_name")
    op.execute("ALTER INDEX ix_kernels_group_id RENAME TO ix_kernels_project_id")


def downgrade() -> None:
    op.execute("ALTER INDEX ix_kernels_project_id RENAME TO ix_kernels_group_id")
    op.execute("ALTER INDEX ix_projects_domain_name RENAME TO ix_groups_domain_name")
    for table, before, after in reversed(CONSTRAINTS):
        op.execute(f'ALTER TABLE {table} RENAME CONSTRAINT "{after}" TO "{before}"')
    op.alter_column("kernels", "project_id", new_column_name="group_id")
    op.rename_table("projects", "groups")
