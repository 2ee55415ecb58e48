"""What stands in a column, and how rows look on their way from the database into a file.

A row is a plain tuple. By the kind of its column a value is: ``text`` and ``json`` (canonical JSON)
a str, ``integer`` an int, ``decimal`` an int of nano-units, ``time`` a str of UTC with six decimals
(``2026-11-01T08:30:00.000000Z``), ``flag`` a bool; None where nothing is known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

Kind = Literal["text", "integer", "decimal", "time", "flag", "json"]
Row = tuple[Any, ...]

PIECE = 500
"""Rows that are worked on together: what is made of so many stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Column:
    """``about`` says in a few words what it is."""

    name: str
    kind: Kind
    about: str
    is_summed: bool = False


class Batch:
    """Some rows, column by column; writers get none without rows."""

    def __init__(self, columns: Sequence[Sequence[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @property
    def rows(self) -> Sequence[Row]:
        return list(zip(*self.columns, strict=True))

    def cut(self, start: int, end: int) -> Self:
        """The rows from one place up to another."""
        return type(self)([values[start:end] for values in self.columns])

    def pieces(self) -> Iterator[Self]:
        if len(self) <= PIECE:
            return iter((self,))
        return (self.cut(start, start + PIECE) for start in range(0, len(self), PIECE))


def add_rows(columns: Sequence[list[Any]], rows: Sequence[Row]) -> None:
    """Put the values of rows behind those of the columns."""
    for values, more in zip(columns, zip(*rows, strict=True), strict=True):
        values.extend(more)
