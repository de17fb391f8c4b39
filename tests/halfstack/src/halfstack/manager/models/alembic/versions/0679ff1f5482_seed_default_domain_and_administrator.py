"""seed default domain and administrator

Revision ID: 0679ff1f5482
Revises: 27e5436a9bee
Create Date: 2023-02-20 09:41:07.516220

"""

from datetime import datetime, timezone
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

# revision identifiers, used by Alembic.
revision = "0679ff1f5482"
down_revision = "27e5436a9bee"
branch_labels = None
depends_on = None

EPOCH = datetime(2023, 2, 20, tzinfo=timezone.utc)
PROJECT_ID = UUID("2de2b969-1d04-48a6-af16-0bc8adb3c831")
ADMIN_ID = UUID("f38dea23-50fa-42a0-b5ae-338f5f4693f4")
USER_ID = UUID("dfa9da54-4b28-432f-be29-c0d680c7a412")

# A migration describes the tables as they are at this point; the models may have moved on.
domains = sa.table(
    "domains",
    sa.column("name", sa.String),
    sa.column("description", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
groups = sa.table(
    "groups",
    sa.column("id", postgresql.UUID),
    sa.column("name", sa.String),
    sa.column("domain_name", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
users = sa.table(
    "users",
    sa.column("id", postgresql.UUID),
    sa.column("email", sa.String),
    sa.column("username", sa.String),
    sa.column("domain_name", sa.String),
    sa.column("role", sa.Enum(name="userrole")),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("first_name", sa.String),
    sa.column("last_name", sa.String),
)
policies = sa.table(
    "keypair_resource_policies",
    sa.column("name", sa.String),
    sa.column("max_concurrent_sessions", sa.Integer),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
keypairs = sa.table(
    "keypairs",
    sa.column("access_key", sa.String),
    sa.column("secret_key", sa.String),
    sa.column("user_id", postgresql.UUID),
    sa.column("resource_policy", sa.String),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("rate_limit", sa.Integer),
)


def upgrade() -> None:
    op.bulk_insert(domains, [{"name": "default", "description": "The default domain", "created_at": EPOCH}])
    op.bulk_insert(groups, [{"id": PROJECT_ID, "name": "default", "domain_name": "default", "created_at": EPOCH}])
    op.bulk_insert(
        users,
        [
            {
                "id": ADMIN_ID,
                "email": "admin@halfstack.example",
                "username": "admin",
                "domain_name": "default",
                "role": "superadmin",
                "created_at": EPOCH,
                "first_name": "Ada",
                "last_name": "Min",
            },
            {
                "id": USER_ID,
                "email": "user@halfstack.example",
                "username": "user",
                "domain_name": "default",
                "role": "user",
                "created_at": EPOCH,
                "first_name": "Jo",
                "last_name": "van User",
            },
        ],
    )
    op.bulk_insert(policies, [{"name": "default", "max_concurrent_sessions": 5, "created_at": EPOCH}])
    op.execute(
        "UPDATE keypair_resource_policies SET total_resource_slots = jsonb_build_object('cpu', 16, 'mem', '64g')"
        " WHERE name = 'default'"
    )
    op.bulk_insert(
        keypairs,
        [
            {
                "access_key": "AKEXAMPLEADMIN000001",
                "secret_key": "not-a-secret-for-the-example-admin",
                "user_id": ADMIN_ID,
                "resource_policy": "default",
                "created_at": EPOCH,
                "rate_limit": 30000,
            },
            {
                "access_key": "AKEXAMPLEUSER0000001",
                "secret_key": "not-a-secret-for-the-example-user",
                "user_id": USER_ID,
                "resource_policy": "default",
                "created_at": EPOCH,
                "rate_limit": 1000,
            },
        ],
    )


def downgrade() -> None:
    op.execute(keypairs.delete().where(keypairs.c.user_id.in_([ADMIN_ID, USER_ID])))
    op.execute(policies.delete().where(policies.c.name == "default"))
    op.execute(users.delete().where(users.c.id.in_([ADMIN_ID, USER_ID])))
    op.execute(groups.delete().where(groups.c.id == PROJECT_ID))
    op.execute(domains.delete().where(domains.c.name == "default"))
