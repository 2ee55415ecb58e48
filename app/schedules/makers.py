"""What can be scheduled: for each kind, who makes the files. The kinds there are: ``kinds``."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.db import Database
from app.deliveries.orders import DeliveredFile
from app.schedules.calendar import Period
from app.statement_settings import StatementSettings


@dataclass(frozen=True, slots=True)
class Site:
    """The service, as makers have to know it. ``zone`` is the clock of its months."""

    currency: str
    zone: ZoneInfo
    source: str
    """Its address."""
    software: str
    archives: Path | None = None
    """Where archived usage lines lie on this machine."""
    refusals_kept: timedelta = timedelta(days=90)
    issuer: StatementSettings = field(default_factory=StatementSettings)
    """What stands on statements."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a maker is to make files of."""

    schedule: str
    """Its name."""
    owner: str
    """Whose saved views it may use."""
    parameters: BaseModel
    """Of the maker's own model."""
    period: Period
    zone: str
    """The IANA name of the clock that the period goes by."""
    folder: Path
    """An empty directory; files go nowhere else."""
    site: Site
    now: datetime
    month: int | None = None
    """Such as 202611, when the period is this month by the service's clock."""
    check: Callable[[], None] = lambda: None
    """Call it now and then while it takes long: it raises when the work is to be left off."""


@dataclass(frozen=True, slots=True)
class Made:
    """The files, and what is to be known of them.

    Names hold the period: a second run of it makes files of the same names. ``manifest`` is
    JSON-safe and the same for the same contents.
    """

    files: Sequence[DeliveredFile]
    manifest: Mapping[str, Any]
    subject: str
    summary: str = ""
    summary_html: str = ""


@dataclass(frozen=True, slots=True)
class Maker:
    """``check`` raises what is wrong with parameters, for whoever wants to schedule them."""

    parameters: type[BaseModel]
    permission: Callable[[BaseModel], str]
    """What an operator needs beside ``deliveries:write`` to schedule it with such parameters."""
    make: Callable[[Database, Assignment], Made]
    check: Callable[[Session, BaseModel, str], None] = lambda _session, _parameters, _owner: None
    """Is given the owner's name last."""
    cadences: Collection[str] | None = None
    """How often it can be made; None: as all things."""


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A month whose books are closed. ``label`` is such as 2026-11."""

    label: str
    since: datetime
    until: datetime
    closed_at: datetime


ClosedMonths = Callable[[Session, datetime], Sequence[ClosedMonth]]
"""Months that were closed at that time or later."""


@dataclass(frozen=True, slots=True)
class Kinds:
    makers: Mapping[str, Maker] = field(default_factory=dict)
    closed_months: ClosedMonths | None = None
    """None: nothing is ever closed, and nothing can be scheduled after it."""

    @property
    def cadences(self) -> tuple[str, ...]:
        closing = () if self.closed_months is None else ("closing",)
        return ("day", "week", "month", *closing)
