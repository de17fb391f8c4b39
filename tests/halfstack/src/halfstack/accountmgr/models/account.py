"""Accounts, each with profiles under names of its own."""

import enum
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base


class AccountRole(enum.StrEnum):
    OWNER = "owner"
    MEMBER = "member"


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    role: Mapped[AccountRole] = mapped_column(string_enum(AccountRole, "accountrole"), server_default="member")
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class Profile(Base):
    __tablename__ = "profiles"

    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    display_name: Mapped[str | None] = mapped_column(sa.String(128))
    locale: Mapped[str] = mapped_column(sa.String(16), server_default="en")
