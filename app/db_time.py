"""How many statements a request had the database run, and how long they took.

Counted in the thread that asked for it, and nowhere else. Of a SQLite statement it is the time up
to its first row: the others are made while they are fetched.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@dataclass(slots=True)
class Spent:
    statements: int = 0
    seconds: float = 0.0
    began: float = 0.0


_spent: ContextVar[Spent | None] = ContextVar("spent", default=None)


def begin() -> Spent:
    """Count from now on, until ``end``; what is returned grows."""
    spent = Spent()
    _spent.set(spent)
    return spent


def end() -> None:
    _spent.set(None)


def watch(engine: Engine) -> None:
    """Have statements on this engine counted."""
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)


def _before(*_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    if (spent := _spent.get()) is not None:
        spent.began = time.monotonic()


def _after(*_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    if (spent := _spent.get()) is not None:
        spent.statements += 1
        spent.seconds += time.monotonic() - spent.began
