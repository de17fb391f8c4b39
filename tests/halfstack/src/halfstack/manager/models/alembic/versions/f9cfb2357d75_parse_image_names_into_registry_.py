"""parse image names into registry, repository and tag

Revision ID: f9cfb2357d75
Revises: 5eec864a733b
Create Date: 2024-02-19 17:21:09.150342

"""

import sqlalchemy as sa
from alembic import context, op

# revision identifiers, used by Alembic.
revision = "f9cfb2357d75"
down_revision = "5eec864a733b"
branch_labels = None
depends_on = None

images = sa.table(
    "images",
    sa.column("id", sa.Uuid),
    sa.column("name", sa.Text),
    sa.column("registry", sa.Text),
    sa.column("repository", sa.Text),
    sa.column("tag", sa.Text),
)


def parse(name: str) -> dict[str, str]:
    registry, _, path = name.partition("/")
    repository, _, tag = path.partition(":")
    return {"registry": registry, "repository": repository, "tag": tag or "latest"}


def fill_by_reading() -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(images.c.id, images.c.name)).all():
        connection.execute(images.update().where(images.c.id == row.id).values(parse(row.name)))


def fill_by_sql() -> None:
    op.execute(
        """
        UPDATE images
        SET registry = split_part(name, '/', 1),
            repository = split_part(substring(name FROM '/(.*)'), ':', 1),
            tag = coalesce(nullif(split_part(substring(name FROM '/(.*)'), ':', 2), ''), 'latest')
        """
    )


def upgrade() -> None:
    for name in ("registry", "repository", "tag"):
        op.add_column("images", sa.Column(name, sa.Text(), nullable=True))
    # Offline there are no rows to read.
    if context.is_offline_mode():
        fill_by_sql()
    else:
        fill_by_reading()
    for name in ("registry", "repository", "tag"):
        op.alter_column("images", name, existing_type=sa.Text(), nullable=False)


def downgrade() -> None:
    for name in ("tag", "repository", "registry"):
        op.drop_column("images", name)
