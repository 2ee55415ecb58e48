"""The effective settings and what runs: for looking at, changed in the configuration."""

import os
import platform
import socket
from typing import Self

from pydantic import BaseModel, Field

from app import __version__, schema
from app.admin.desk import Desk
from app.checks.redis_server import server_version
from app.errors import ServiceError
from app.provenance import Origin, Setting, explain


class SettingOut(BaseModel):
    """One setting."""

    section: str
    name: str
    value: str | None = Field(description="Null: not given, or a secret.")
    default: str | None
    origin: Origin
    is_secret: bool
    is_given: bool
    needs_restart: bool = Field(description="Reloading (SIGHUP) is not enough to change it.")
    meaning: str | None

    @classmethod
    def of(cls, setting: Setting) -> Self:
        return cls(**{name: getattr(setting, name) for name in cls.model_fields})


class SettingList(BaseModel):
    """Every setting, in the order of the configuration."""

    items: list[SettingOut]


class VersionsOut(BaseModel):
    """What runs."""

    shareauth: str
    schema_version: str | None = Field(description="Of the database.")
    schema_wanted: str | None = Field(description="By this program.")
    python: str
    database: str | None
    redis: str | None = Field(description="Null: it does not answer.")
    machine: str
    process: int
    data_dir: str
    workers: int
    threads: int
    is_production: bool


def index(desk: Desk) -> SettingList:
    return SettingList(items=[SettingOut.of(one) for one in explain(desk.settings)])


def versions(desk: Desk) -> VersionsOut:
    service = desk.settings.service
    return VersionsOut(
        shareauth=__version__,
        schema_version=_schema(desk),
        schema_wanted=schema.head(),
        python=platform.python_version(),
        database=_database(desk),
        redis=server_version(desk.settings),
        machine=socket.gethostname(),
        process=os.getpid(),
        data_dir=str(service.data_dir.resolve()),
        workers=service.workers,
        threads=service.threads,
        is_production=desk.settings.is_production,
    )


def _schema(desk: Desk) -> str | None:
    try:
        return schema.current(desk.db)
    except ServiceError:
        return None


def _database(desk: Desk) -> str | None:
    try:
        return desk.db.server_version()
    except ServiceError:
        return None
