"""spell out vfolder permissions

Revision ID: bf4da9a92f69
Revises: 57ae3cecffe0
Create Date: 2024-08-13 13:48:36.574002

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "bf4da9a92f69"
down_revision = "57ae3cecffe0"
branch_labels = None
depends_on = None

SHORT = {"ro": "read-only", "rw": "read-write", "wd": "rw-delete"}
LONG = {long: short for short, long in SHORT.items()}


def replace_type(mapping: dict[str, str], default: str) -> None:
    """Makes `vfolderpermission` anew with the labels that `mapping` leads to, and translates the rows."""
    labels = ", ".join(f"'{label}'" for label in mapping.values())
    cases = " ".join(f"WHEN '{before}' THEN '{after}'" for before, after in mapping.items())
    op.execute("ALTER TYPE vfolderpermission RENAME TO vfolderpermission_old")
    op.execute(f"CREATE TYPE vfolderpermission AS ENUM ({labels})")
    # xtask: allow DB409: a folder has one row, and there are some thousand folders
    op.execute(
        "ALTER TABLE vfolders"
        " ALTER COLUMN permission DROP DEFAULT,"
        f" ALTER COLUMN permission TYPE vfolderpermission USING (CASE permission::text {cases} END)::vfolderpermission,"
        f" ALTER COLUMN permission SET DEFAULT '{default}'"
    )
    op.execute("DROP TYPE vfolderpermission_old")


def upgrade() -> None:
    replace_type(SHORT, "read-write")


def downgrade() -> None:
    replace_type(LONG, "rw")
