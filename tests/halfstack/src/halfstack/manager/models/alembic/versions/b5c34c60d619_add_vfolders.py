"""add vfolders

Revision ID: b5c34c60d619
Revises: a3e390f9ced6
Create Date: 2023-06-01 17:44:21.905377

"""

from collections.abc import Sequence
from typing import Union

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision: str = "b5c34c60d619"
down_revision: Union[str, Sequence[str], None] = "a3e390f9ced6"
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    op.create_table(
        "vfolders",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column(
            "permission", sa.Enum("ro", "rw", "wd", name="vfolderpermission"), server_default="rw", nullable=False
        ),
        sa.Column("size_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_vfolders_owner_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_vfolders_project_id_projects"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vfolders")),
        sa.UniqueConstraint("name", "owner_id", name=op.f("uq_vfolders_name_owner_id")),
    )
    op.execute(
        """
        INSERT INTO vfolders (id, name, owner_id, project_id, permission, size_bytes, created_at)
        SELECT md5(f.name || u.email)::uuid, f.name, u.id, p.id, f.permission::vfolderpermission, f.size_bytes,
               timestamptz '2023-06-01 00:00+00'
        FROM users u
        CROSS JOIN (
            VALUES ('home', 'wd', 104857600), ('datasets', 'ro', 2147483648)
        ) AS f (name, permission, size_bytes)
        JOIN projects p ON p.domain_name = u.domain_name AND p.name = 'default'
        """
    )


def downgrade() -> None:
    op.drop_table("vfolders")
    op.execute("DROP TYPE vfolderpermission")
