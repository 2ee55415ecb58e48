"""What stands in a column, and how rows look on their way from the database into a file.

A row is a plain tuple. By the kind of its column a value is: ``text`` and ``json`` (canonical JSON)
a str, ``integer`` an int, ``decimal`` an int of nano-units, ``time`` a str of UTC with six decimals
(``2026-11-01T08:30:00.000000Z``), ``flag`` a bool; None where nothing is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "integer", "decimal", "time", "flag", "json"]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """``about`` says in a few words what it is."""

    name: str
    kind: Kind
    about: str
    is_summed: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, and the same values column by column. There is at least one row."""

    rows: Sequence[Row]
    columns: Sequence[Sequence[Any]]


def batch_of(rows: Sequence[Row]) -> Batch:
    return Batch(rows, list(zip(*rows, strict=True)))
