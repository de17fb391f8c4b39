"""Endpoints (what is served), and the circuits that carry traffic to them."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base
from .worker import ProxyProtocol


class Endpoint(Base):
    __tablename__ = "endpoints"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255), unique=True)
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    health_check_enabled: Mapped[bool] = mapped_column(server_default=sa.false())
    health_check_config: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Circuit(Base):
    __tablename__ = "circuits"
    __table_args__ = (sa.UniqueConstraint("worker", "port", name="uq_circuits_worker_port"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    app: Mapped[str] = mapped_column(sa.String(255))
    protocol: Mapped[ProxyProtocol] = mapped_column(string_enum(ProxyProtocol, "proxyprotocol"))
    worker: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("workers.id"))
    port: Mapped[int]
    open_to_public: Mapped[bool] = mapped_column(server_default=sa.false())
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    updated_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    endpoint_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("endpoints.id", ondelete="CASCADE"))
