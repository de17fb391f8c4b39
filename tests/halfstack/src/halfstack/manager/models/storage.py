"""Virtual folders, and how much a project may keep in them."""

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base


class VFolderPermission(enum.StrEnum):
    READ_ONLY = "read-only"
    READ_WRITE = "read-write"
    RW_DELETE = "rw-delete"


class VFolder(Base):
    __tablename__ = "vfolders"
    __table_args__ = (
        sa.UniqueConstraint("name", "owner_id", name="uq_vfolders_name_owner_id"),
        sa.Index("ix_vfolders_tags", "tags", postgresql_using="gin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    name: Mapped[str] = mapped_column(sa.String(64))
    owner_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    project_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("projects.id", ondelete="SET NULL"))
    permission: Mapped[VFolderPermission] = mapped_column(
        string_enum(VFolderPermission, "vfolderpermission"), server_default="read-write"
    )
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    tags: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default=sa.text("'{}'"))


class QuotaScope(Base):
    __tablename__ = "quota_scopes"
    __table_args__ = (
        sa.CheckConstraint("hard_limit_bytes >= 0 AND usage_bytes >= 0", name="bytes_not_negative"),
        {"comment": "What a project may keep, over all of its folders"},
    )

    project_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    hard_limit_bytes: Mapped[int] = mapped_column(sa.BigInteger, comment="writes beyond this are refused")
    usage_bytes: Mapped[int] = mapped_column(sa.BigInteger, server_default="0", comment="as last measured")
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=sa.text("'{}'"))
    free_bytes: Mapped[int] = mapped_column(
        sa.BigInteger, sa.Computed("hard_limit_bytes - usage_bytes", persisted=True), nullable=True
    )
