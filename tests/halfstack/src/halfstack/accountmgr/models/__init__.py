"""All models of the account manager. Importing this package fills `metadata`."""

from . import account
from .base import Base

metadata = Base.metadata

__all__ = ("Base", "account", "metadata")
