"""The machines of the cluster, and when they are taken out of service."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base


class AgentStatus(enum.StrEnum):
    ALIVE = "alive"
    LOST = "lost"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


class Agent(Base):
    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    status: Mapped[AgentStatus] = mapped_column(string_enum(AgentStatus, "agentstatus"), server_default="alive")
    region: Mapped[str] = mapped_column(sa.String(64), index=True)
    addr: Mapped[str] = mapped_column(sa.String(128))
    mem_slots: Mapped[int] = mapped_column(sa.BigInteger)
    cpu_slots: Mapped[Decimal] = mapped_column(sa.Numeric(8, 2))
    first_contact: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    lost_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    occupied_slots: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=sa.text("'{}'"))
    version: Mapped[str] = mapped_column(sa.String(32))
    architecture: Mapped[str] = mapped_column(sa.String(16), server_default="x86_64")


class MaintenanceWindow(Base):
    __tablename__ = "maintenance_windows"
    __table_args__ = (ExcludeConstraint(("period", "&&"), name="ex_maintenance_windows_period", using="gist"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(128))
    period: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
