"""How values read: tables and cards for people, text for JSON.

Names, labels and reasons are other people's text. On a terminal they may neither style it nor
drive it, so every cell is plain text in which what cannot be printed is spelled out.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.money import format_nano

PIPED_WIDTH = 500
"""Columns when stdout is not a terminal: nothing is cut, each row stays on its line."""


def show(parts: Iterable[object]) -> None:
    """Print sentences and renderables, one below the other."""
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else PIPED_WIDTH, highlight=False, soft_wrap=False)
    for part in parts:
        if isinstance(part, str):
            console.print(Text(printable(part)), soft_wrap=True)
        else:
            console.print(part)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> object:
    """A table; headings that end in ``>`` are of columns of numbers. ``empty`` is said instead."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        is_number = heading.endswith(">")
        shown.add_column(
            heading.rstrip(">"),
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=is_number,
        )
    for row in rows:
        shown.add_row(*[cell(value) for value in row])
    return shown if shown.row_count else empty


def card(values: Mapping[str, object]) -> Table:
    """Names and values of one thing, a line each; what is None or empty is left out."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    shown.add_column(style="dim", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in values.items():
        if value is not None and value not in ("", {}, []):
            shown.add_row(name, cell(value))
    return shown


def cell(value: object) -> Text:
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, Mapping):
        return Text(printable(", ".join(f"{name} {_word(item)}" for name, item in value.items())))
    if isinstance(value, list | tuple):
        return Text(printable(", ".join(_word(item) for item in value)))
    return Text(printable(str(value)), style=_STYLES.get(str(value), ""))


def printable(text: str) -> str:
    """The text with control, format and surrogate characters spelled out; line ends are kept."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def amount(nano: int | None) -> str | None:
    return None if nano is None else format_nano(nano)


def iso(at: datetime | None) -> str | None:
    """``2026-11-23T04:00:00Z``, with microseconds where there are any."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def local(at: datetime | None, zone: ZoneInfo) -> str | None:
    """The operator's own clock, to the second."""
    return None if at is None else at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _word(value: object) -> str:
    return "-" if value is None else str(value)


_STYLES = {
    "active": "green",
    "ok": "green",
    "disabled": "yellow",
    "suspended": "red",
    "revoked": "red",
    "expired": "yellow",
    "failed": "red",
    "warning": "yellow",
}
