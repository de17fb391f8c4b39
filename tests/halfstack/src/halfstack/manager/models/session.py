"""Compute sessions and the kernels (containers) that make them up."""

import enum
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base


class SessionStatus(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


class KernelStatus(enum.StrEnum):
    PREPARING = "preparing"
    RUNNING = "running"
    TERMINATED = "terminated"


sa.Sequence("session_job_number_seq", start=1000, metadata=Base.metadata)


class Session(Base):
    __tablename__ = "sessions"
    __table_args__ = (
        sa.CheckConstraint("priority BETWEEN 0 AND 100", name="priority_range"),
        sa.Index(
            "uq_sessions_live_name",
            "name",
            "user_id",
            unique=True,
            postgresql_where=sa.text("status IN ('pending', 'running')"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    name: Mapped[str] = mapped_column(sa.Text)
    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id"))
    project_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("projects.id"))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    priority: Mapped[int] = mapped_column(server_default="10")
    job_number: Mapped[int] = mapped_column(
        sa.BigInteger, unique=True, server_default=sa.text("nextval('session_job_number_seq'::regclass)")
    )
    status: Mapped[SessionStatus] = mapped_column(
        string_enum(SessionStatus, "sessionstatus"), server_default="pending"
    )


class Kernel(Base):
    __tablename__ = "kernels"
    __table_args__ = (sa.Index("ix_kernels_status_created_at", "status", "created_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    status: Mapped[KernelStatus] = mapped_column(string_enum(KernelStatus, "kernelstatus"), server_default="preparing")
    agent: Mapped[str | None] = mapped_column(sa.ForeignKey("agents.id", ondelete="RESTRICT"))
    image: Mapped[str] = mapped_column(sa.String(512))
    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id"))
    project_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("projects.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    terminated_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    session_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
