"""API keypairs and the policies that bound what they may use."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class KeypairResourcePolicy(Base):
    __tablename__ = "keypair_resource_policies"

    name: Mapped[str] = mapped_column(sa.String(256), primary_key=True)
    total_resource_slots: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=sa.text("'{}'"))
    max_concurrent_sessions: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class Keypair(Base):
    __tablename__ = "keypairs"

    access_key: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    secret_key: Mapped[str] = mapped_column(sa.String(40))
    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id"), index=True)
    resource_policy: Mapped[str] = mapped_column(sa.ForeignKey("keypair_resource_policies.name"))
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class KeypairLimit(Base):
    __tablename__ = "keypair_limits"
    __table_args__ = (sa.CheckConstraint("rate_limit > 0", name="rate_limit_positive"),)

    access_key: Mapped[str] = mapped_column(sa.ForeignKey("keypairs.access_key", ondelete="CASCADE"), primary_key=True)
    rate_limit: Mapped[int]
