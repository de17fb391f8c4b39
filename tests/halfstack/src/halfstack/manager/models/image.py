"""Container images, the registries they come from, and short names for them."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class ContainerRegistry(Base):
    __tablename__ = "container_registries"

    name: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    url: Mapped[str] = mapped_column(sa.Text)
    is_global: Mapped[bool] = mapped_column(server_default=sa.true())


class Image(Base):
    __tablename__ = "images"
    __table_args__ = (
        sa.Index(
            "ix_images_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"}
        ),
        {"comment": "Images that sessions may be started from"},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    name: Mapped[str] = mapped_column(sa.Text, unique=True, comment="registry/repository:tag, as the engine takes it")
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    labels: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=sa.text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    registry: Mapped[str] = mapped_column(sa.ForeignKey("container_registries.name", onupdate="CASCADE"))
    repository: Mapped[str] = mapped_column(sa.Text)
    tag: Mapped[str] = mapped_column(sa.Text)


class ImageAlias(Base):
    __tablename__ = "image_aliases"

    alias: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    image_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("images.id", ondelete="CASCADE"), index=True)
