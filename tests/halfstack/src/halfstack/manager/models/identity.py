"""Domains, projects and users, and who belongs where."""

import enum
import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from halfstack.schema import string_enum

from .base import Base


class UserRole(enum.StrEnum):
    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    USER = "user"
    MONITOR = "monitor"


class UserStatus(enum.StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"


class Domain(Base):
    __tablename__ = "domains"

    name: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    description: Mapped[str | None] = mapped_column(sa.String(512))
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class Project(Base):
    __tablename__ = "projects"
    __table_args__ = (sa.UniqueConstraint("name", "domain_name", name="uq_projects_name_domain_name"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    name: Mapped[str] = mapped_column(sa.String(64))
    description: Mapped[str | None] = mapped_column(sa.String(512))
    domain_name: Mapped[str] = mapped_column(sa.ForeignKey("domains.name", ondelete="CASCADE"), index=True)
    is_active: Mapped[bool] = mapped_column(server_default=sa.true())
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


class User(Base):
    __tablename__ = "users"
    __table_args__ = (sa.Index("uq_users_lower_email", sa.text("lower(email)"), unique=True),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
    email: Mapped[str] = mapped_column(sa.String(64))
    username: Mapped[str | None] = mapped_column(sa.String(64))
    domain_name: Mapped[str] = mapped_column(sa.ForeignKey("domains.name"), index=True)
    role: Mapped[UserRole] = mapped_column(string_enum(UserRole, "userrole"), server_default="user")
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    status: Mapped[UserStatus] = mapped_column(string_enum(UserStatus, "userstatus"), server_default="active")
    full_name: Mapped[str | None] = mapped_column(sa.String(128))


class ProjectMember(Base):
    __tablename__ = "association_projects_users"

    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
