"""Proxy workers, and which apps they take."""

import enum
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base


class FrontendMode(enum.StrEnum):
    WILDCARD = "wildcard"
    PORT = "port"


class ProxyProtocol(enum.StrEnum):
    HTTP = "http"
    H2 = "h2"
    TCP = "tcp"
    GRPC = "grpc"


class Worker(Base):
    __tablename__ = "workers"
    __table_args__ = (
        sa.CheckConstraint("first_port BETWEEN 1 AND last_port AND last_port <= 65535", name="port_range"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    authority: Mapped[str] = mapped_column(sa.String(255), unique=True)
    frontend_mode: Mapped[FrontendMode] = mapped_column(string_enum(FrontendMode, "frontendmode"))
    protocol: Mapped[ProxyProtocol] = mapped_column(string_enum(ProxyProtocol, "proxyprotocol"), server_default="http")
    api_host: Mapped[str] = mapped_column(sa.String(1024))
    first_port: Mapped[int | None]
    last_port: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class WorkerAppFilter(Base):
    __tablename__ = "worker_app_filters"

    worker: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("workers.id", ondelete="CASCADE"), primary_key=True)
    property_name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    property_value: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
