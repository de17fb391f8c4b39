"""The declarative base that all models of this component share."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from halfstack.schema import NAMING_CONVENTION


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)
