"""Tokens that let a user's browser through the proxy."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Token(Base):
    __tablename__ = "tokens"
    __table_args__ = (
        sa.Index("ix_tokens_expires_at", "expires_at", postgresql_where=sa.text("revoked_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    login_session_token: Mapped[str | None] = mapped_column(sa.Text)
    user_uuid: Mapped[uuid.UUID] = mapped_column(index=True)
    expires_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    revoked_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
