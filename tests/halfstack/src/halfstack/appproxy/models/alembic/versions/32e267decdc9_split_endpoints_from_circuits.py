"""split endpoints from circuits

Revision ID: 32e267decdc9
Revises: 99bdb961f0f2
Create Date: 2023-08-16 09:28:47.830265

"""

import sqlalchemy as sa
from alembic import op

# revision identifiers, used by Alembic.
revision = (
    "32e267"
    "decdc9"
)
down_revision = "99bdb961f0f2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
        sa.UniqueConstraint("name", name=op.f("uq_endpoints_name")),
    )
    # The ids come from the names, so that they are the same however often this runs.
    op.execute(
        """
        INSERT INTO endpoints (id, name, created_at)
        SELECT md5('endpoint' || endpoint_name)::uuid, endpoint_name, min(created_at)
        FROM circuits WHERE endpoint_name IS NOT NULL
        GROUP BY endpoint_name ORDER BY endpoint_name
        """
    )
    op.add_column("circuits", sa.Column("endpoint_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_circuits_endpoint_id_endpoints"),
        "circuits",
        "endpoints",
        ["endpoint_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.execute(
        "UPDATE circuits SET endpoint_id = endpoints.id FROM endpoints WHERE endpoints.name = circuits.endpoint_name"
    )
    op.drop_column("circuits", "endpoint_name")


def downgrade() -> None:
    op.add_column("circuits", sa.Column("endpoint_name", sa.String(length=255), nullable=True))
    op.execute(
        "UPDATE circuits SET endpoint_name = endpoints.name FROM endpoints WHERE endpoints.id = circuits.endpoint_id"
    )
    op.drop_constraint(op.f("fk_circuits_endpoint_id_endpoints"), "circuits", type_="foreignkey")
    op.drop_column("circuits", "endpoint_id")
    op.drop_table("endpoints")
