"""How far a run has come: a bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.simulator.tally import Tally

Observe = Callable[[Tally], None]

LINE_EVERY_S = 5.0


@contextmanager
def watching(chats: int, *, console: Console) -> Iterator[Observe]:
    """Yields what to call with the tally, as often as one likes."""
    if not console.is_terminal:
        yield _lines(chats, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("chats", total=chats, note="")

        def move(tally: Tally) -> None:
            bar.update(task, completed=tally.events["chats"], note=_note(tally))

        yield move


def _lines(chats: int, console: Console) -> Observe:
    begun = last = time.perf_counter()
    said = -1

    def print_line(tally: Tally) -> None:
        nonlocal last, said
        now, done = time.perf_counter(), tally.events["chats"]
        if done == said or (now - last < LINE_EVERY_S and done < chats):
            return
        last, said = now, done
        line = f"{now - begun:6.1f} s  {done}/{chats} chats  {_note(tally)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    return print_line


def _note(tally: Tally) -> str:
    parts = [f"{tally.request_count} requests"]
    if refused := sum(tally.refusals.values()):
        parts.append(f"{refused} refused")
    if broken := sum(tally.violations.values()):
        parts.append(f"{broken} broken answers")
    return ", ".join(parts)
