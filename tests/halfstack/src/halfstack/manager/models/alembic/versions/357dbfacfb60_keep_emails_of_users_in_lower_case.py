"""keep emails of users in lower case

Revision ID: 357dbfacfb60
Revises: b6a2ca45f98c
Create Date: 2023-12-05 16:58:12.447730

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "357dbfacfb60"
down_revision = "b6a2ca45f98c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION lower_user_email() RETURNS trigger
        LANGUAGE plpgsql
        AS $$
        BEGIN
            NEW.email := lower(NEW.email);
            RETURN NEW;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER users_lower_email BEFORE INSERT OR UPDATE OF email ON users
        FOR EACH ROW EXECUTE FUNCTION lower_user_email()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER users_lower_email ON users")
    op.execute("DROP FUNCTION lower_user_email()")
