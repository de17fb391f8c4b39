"""All models of the manager. Importing this package fills `metadata`, which autogenerate compares with the database."""

from . import agent, audit, identity, image, keypair, session, storage
from .base import Base

metadata = Base.metadata

__all__ = ("Base", "agent", "audit", "identity", "image", "keypair", "metadata", "session", "storage")
