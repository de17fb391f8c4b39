"""What the models of all three components share: how constraints are named, and how Python enums are stored."""

import enum

import sqlalchemy as sa

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def string_enum(cls: type[enum.StrEnum], name: str) -> sa.Enum:
    """A PostgreSQL enum type whose labels are the values of the Python enum, not the names of its members."""
    return sa.Enum(cls, name=name, values_callable=lambda members: [m.value for m in members])
