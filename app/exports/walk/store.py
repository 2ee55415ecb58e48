"""What the statements of all exported tables share.

Rows come as the driver gives them, in pages: no ORM objects, no types but those of ``columns``.
Each page reads what comes behind a key, a list that JSON takes:

    [LATE, None, id]     what came late, by id
    [OWN, time, id]      what is of the period's own time, by time and id

None for the time is the beginning.
"""

import json
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.chunks import Chunks
from app.exports.columns import PIECE, Batch, add_rows
from app.ids import among
from app.periods import Period

DENSE = 1.5
"""A range of ids is one condition where each of thousands has to be looked up."""
LATE, OWN = 0, 1
Key = list[Any]


class _FractionError(Exception):
    """JSON has a number with a fraction or an exponent."""


def _refuse(number: str) -> Any:  # noqa: ANN401 - what a hook of msgspec's gives
    raise _FractionError(number)


_read = msgspec.json.Decoder(float_hook=_refuse).decode
_sorted_lines = msgspec.json.Encoder(order="sorted").encode_lines
Columns = Sequence[Sequence[Any]]
Statement = sa.Select[*tuple[Any, ...]]
Page = Generator[Batch, None, Key | None]
"""The rows of a page, some at a time, and then the key that leads on; None at the end.

They are read while they are taken, so the session must be open. What is worked on at once and not
again stays in the processor's cache.
"""


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


def next_key(key: Key, times: Sequence[str], ids: Sequence[int], limit: int) -> Key | None:
    """Where the page behind one begins that was read from the key, with these times and ids."""
    last = (times[-1], ids[-1]) if ids else None
    return key_behind(key, last, is_full=len(ids) == limit)


def key_behind(key: Key, last: tuple[str, int] | None, *, is_full: bool) -> Key | None:
    """The same, of the time and id of its last row; a page that is not full has all there is."""
    if last is not None and is_full:
        return [key[0], None if key[0] == LATE else last[0], last[1]]
    return [OWN, None, 0] if key[0] == LATE else None


def covering(column: Any, ids: Collection[int]) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """Rows of these ids; of some others, too, when most between the first and last are wanted."""
    first, last = min(ids), max(ids)
    if last - first < len(ids) * DENSE:
        return column.between(first, last)
    return among(column, ids)


def parts_of(heads: Sequence[int], parts: Columns) -> tuple[Columns, list[int]]:
    """Parts in the order of their heads, whose ids are the first column; the place of each's head.

    The parts of each head keep their order; those of none are left out.
    """
    by_id = {head: place for place, head in enumerate(heads)}
    places = [by_id.get(head, -1) for head in parts[0]]
    if places and places[0] >= 0 and places == sorted(places):
        return parts, places
    kept = [at for at, place in enumerate(places) if place >= 0]
    kept.sort(key=places.__getitem__)
    return repeated(parts, kept), [places[at] for at in kept]


def repeated(columns: Columns, places: Sequence[int]) -> list[list[Any]]:
    """The columns of rows that stand once for each of the places, which name them."""
    return [list(map(values.__getitem__, places)) for values in columns]


def iso_text(session: Session, column: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """A time as ``columns`` has it, made by the database."""
    if session.get_bind().dialect.name == "sqlite":
        return sa.func.replace(sa.type_coerce(column, sa.Text), " ", "T") + sa.literal("Z")
    utc = sa.func.timezone("UTC", column)
    return sa.func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


def json_text(column: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """JSON as it is stored; see ``canonical``."""
    return sa.cast(column, sa.Text)


def canonical(texts: Sequence[str | None]) -> list[str | None]:
    """The one way to write that JSON, whichever database it comes from; no text is None."""
    found = [text or "null" for text in texts]
    try:
        lines = _sorted_lines(_read(f"[{','.join(found)}]")).decode().split("\n")[:-1]
    except (msgspec.MsgspecError, UnicodeError, _FractionError):
        # Numbers with a fraction, which msgspec writes in its own way, and what is no strict JSON.
        lines = []
    if len(lines) != len(found):
        lines = list(map(_canonical, found))
    return [line if text else None for text, line in zip(texts, lines, strict=True)]


def _canonical(text: str) -> str:
    told = json.loads(text)
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def fetch(session: Session, statement: Statement) -> list[list[Any]]:
    """The columns of what is found, of the driver's own rows: SQLAlchemy's cost as much as reading.

    They are there, and empty, when nothing is.
    """
    columns: list[list[Any]] = [[] for _ in statement.selected_columns]
    with Chunks(session.connection(), statement, PIECE) as found:
        while rows := found.take():
            add_rows(columns, rows)
    return columns


class Pieces:
    """The same some rows at a time, which the database makes while those before are worked on.

    To be left by its block. The connection is theirs until all have come: see ``ask``.
    """

    def __init__(self, session: Session, statement: Statement) -> None:
        self._session = session
        self._found = Chunks(session.connection(), statement, PIECE)
        self._here: deque[Columns] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._found.close()

    def __iter__(self) -> Iterator[Columns]:
        while (piece := self._here.popleft() if self._here else self._next()) is not None:
            yield piece

    def ask(self, statement: Statement) -> Columns:
        """``fetch`` something else in the middle; all that is still to come is waited for."""
        while (piece := self._next()) is not None:
            self._here.append(piece)
        return fetch(self._session, statement)

    def _next(self) -> Columns | None:
        rows = self._found.take()
        return list(zip(*rows, strict=True)) if rows else None


def top_ids(session: Session, tables: Sequence[Any]) -> list[int]:
    """The highest id of each table that can be seen."""
    tops = [sa.select(sa.func.max(table.id)).scalar_subquery() for table in tables]
    return [top or 0 for top in session.execute(sa.select(*tops)).one()]
