"""Which rows of a table are meant: a period of the books, and filters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from app.periods import Period, Position


@dataclass(frozen=True, slots=True)
class Closed:
    """The closing that a period is of. ``month`` is such as 2026-11, ``number`` the closing's."""

    month: str
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Scope:
    """``link_ids`` are the only links that whoever asks may see; None: all.

    ``row_id`` bounds tables outside of the books (refusals, audit) as ``period.upto`` does those
    in them. ``kind`` is the table's own: see the catalogue.
    """

    period: Period
    link_id: int | None = None
    user_id: int | None = None
    kind: str | None = None
    link_ids: frozenset[int] | None = None
    row_id: int | None = None
    closed: Closed | None = None
    """What the period was frozen by; None for any other."""

    @property
    def is_fixed(self) -> bool:
        """Whether later rows change nothing any more."""
        return self.period.upto is not None and self.row_id is not None

    def at(self, position: Position, row_id: int) -> Self:
        """The same, as the books stood at these positions; those that are set stay."""
        upto = self.period.upto or position
        kept = row_id if self.row_id is None else self.row_id
        return replace(self, period=replace(self.period, upto=upto), row_id=kept)

    def as_json(self) -> dict[str, Any]:
        """For manifests and jobs; ``scope_of`` reads it."""
        return {
            "period": {
                "since": iso(self.period.since),
                "until": iso(self.period.until),
            },
            "positions": {
                "upto": _position(self.period.upto),
                "after": _position(self.period.after),
                "row_id": self.row_id,
            },
            "closing": None if self.closed is None else asdict(self.closed),
            "filter": {
                "link_id": self.link_id,
                "user_id": self.user_id,
                "kind": self.kind,
                "link_ids": None if self.link_ids is None else sorted(self.link_ids),
            },
        }


def scope_of(told: Mapping[str, Any]) -> Scope:
    """Raises: KeyError, TypeError, ValueError when ``told`` is not what ``as_json`` gives."""
    positions, chosen = told["positions"], told["filter"]
    link_ids, closed = chosen["link_ids"], told.get("closing")
    return Scope(
        period=Period(
            since=datetime.fromisoformat(told["period"]["since"]),
            until=datetime.fromisoformat(told["period"]["until"]),
            upto=_position_of(positions["upto"]),
            after=_position_of(positions["after"]),
        ),
        link_id=chosen["link_id"],
        user_id=chosen["user_id"],
        kind=chosen["kind"],
        link_ids=None if link_ids is None else frozenset(link_ids),
        row_id=positions["row_id"],
        closed=None if closed is None else Closed(**closed),
    )


def iso(at: datetime) -> str:
    """As times are written in rows."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def label(period: Period, zone: ZoneInfo) -> str:
    """For names of files: ``2026-11`` for a month by the clock of the zone, else both ends."""
    since, until = period.since.astimezone(zone), period.until.astimezone(zone)
    if _begins_month(since) and _begins_month(until) and months_between(period, zone) == 1:
        return f"{since:%Y-%m}"
    return f"{_stamp(period.since)}-{_stamp(period.until)}"


def months_between(period: Period, zone: ZoneInfo) -> int:
    """How many months by that clock the period touches."""
    first = period.since.astimezone(zone)
    last = period.until.astimezone(zone)
    months = (last.year - first.year) * 12 + last.month - first.month
    return months + (0 if _begins_month(last) else 1)


def _begins_month(at: datetime) -> bool:
    return (at.day, at.hour, at.minute, at.second, at.microsecond) == (1, 0, 0, 0, 0)


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _position(position: Position | None) -> dict[str, int] | None:
    if position is None:
        return None
    return {"event_id": position.event_id, "transaction_id": position.transaction_id}


def _position_of(told: Mapping[str, int] | None) -> Position | None:
    return None if told is None else Position(told["event_id"], told["transaction_id"])
