"""What the statements of all exported tables share.

Rows come as the driver gives them, in pages: no ORM objects, no types but those of ``columns``.
Each page reads what comes behind a key, a list that JSON takes:

    [LATE, None, id]     what came late, by id
    [OWN, time, id]      what is of the period's own time, by time and id

None for the time is the beginning.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.columns import Row
from app.periods import Period

LATE, OWN = 0, 1
Key = list[Any]


@dataclass(frozen=True, slots=True)
class Page:
    """``key`` leads to what follows; None at the end. ``late`` rows are earlier than the period."""

    rows: list[Row]
    key: Key | None


@dataclass(frozen=True, slots=True)
class Walk:
    """A table's columns of time and id, and between which ids it is read."""

    at: Any
    id: Any
    upto: int | None
    after: int | None = None

    @property
    def begin(self) -> Key:
        return [OWN, None, 0] if self.after is None else [LATE, None, self.after]

    def page(self, chosen: Any, period: Period, key: Key, limit: int) -> Any:  # noqa: ANN401
        """``chosen`` with the conditions, order and length of the page behind the key."""
        conditions = [] if self.upto is None else [self.id <= self.upto]
        phase, at, row_id = key
        if phase == LATE:
            late = [*conditions, self.id > row_id, self.at < period.since]
            return chosen.where(*late).order_by(self.id).limit(limit)
        conditions += [self.at >= period.since, self.at < period.until]
        if at is not None:
            moment = datetime.fromisoformat(at)
            conditions += [self.at >= moment, (self.at > moment) | (self.id > row_id)]
        return chosen.where(*conditions).order_by(self.at, self.id).limit(limit)


def next_key(key: Key, last: tuple[str, int] | None, *, is_full: bool) -> Key | None:
    """Where the next page begins; ``last`` are time and id of this page's last row."""
    if is_full and last is not None:
        return [key[0], None if key[0] == LATE else last[0], last[1]]
    return [OWN, None, 0] if key[0] == LATE else None


def iso_text(session: Session, column: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """A time as ``columns`` has it, made by the database."""
    if session.get_bind().dialect.name == "sqlite":
        return sa.func.replace(sa.type_coerce(column, sa.Text), " ", "T") + sa.literal("Z")
    utc = sa.func.timezone("UTC", column)
    return sa.func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


def json_text(column: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """JSON as it is stored; see ``canonical``."""
    return sa.cast(column, sa.Text)


def canonical(text: str | None) -> str | None:
    """The one way to write that JSON, whichever database it comes from."""
    if text is None or text == "{}":
        return text
    return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def fetch(session: Session, statement: sa.Executable) -> list[Row]:
    """The driver's own rows: SQLAlchemy's cost as much as the reading."""
    result = session.connection().execute(statement)
    rows = list(result.cursor.fetchall())
    result.close()
    return rows


def top_ids(session: Session, tables: Sequence[Any]) -> list[int]:
    """The highest id of each table that can be seen."""
    tops = [sa.select(sa.func.max(table.id)).scalar_subquery() for table in tables]
    return [top or 0 for top in session.execute(sa.select(*tops)).one()]
