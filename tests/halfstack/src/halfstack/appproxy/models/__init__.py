"""All models of the application proxy. Importing this package fills `metadata`."""

from . import circuit, token, worker
from .base import Base

metadata = Base.metadata

__all__ = ("Base", "circuit", "metadata", "token", "worker")
