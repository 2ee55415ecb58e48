"""How far an export is, on a terminal."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.exports.writing import Note

WHOLE = 1000


@contextlib.contextmanager
def bar_of(what: str) -> Iterator[Note]:
    """A bar on a terminal, on stderr; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[rows]:,} rows"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=WHOLE, rows=0)
        yield lambda step: bar.update(task, completed=step.fraction * WHOLE, rows=step.rows)
        bar.update(task, completed=WHOLE)
