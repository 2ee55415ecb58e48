"""Read a table a page at a time, each page in a short transaction of its own."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from app.db import Database
from app.exports import archived, positions
from app.exports.catalogue import Beside
from app.exports.closed import of_month
from app.exports.columns import Batch
from app.exports.names.store import Names
from app.exports.order import Order
from app.exports.scope import Scope
from app.exports.usage.store import Archived
from app.exports.walk.store import OWN, Key, Page
from app.exports.wallets.store import Moved


def prepare(db: Database, order: Order) -> Order:
    """The order with its position fixed: made again, it gives the same.

    A month that is closed is what its closing has; one that follows a closed one takes what came
    late for those before.

    Raises:
        FilterUnknown, FormatUnfit: it cannot be made.
        BooksBusy: for now there is no position.
    """
    order.check()
    scope = order.scope
    if order.month is not None and order.table.is_of_books and scope.closed is None:
        with db.read() as session:
            scope = of_month(session, scope, order.month, order.zone)
    return replace(order, scope=positions.fixed(db, order.table, scope))


def needed_archives(db: Database, order: Order, directory: Path | None) -> Archived:
    """What the table reads beside the database.

    Raises:
        LinesGone: some of its rows lie in archives that are not on this machine.
    """
    if order.table.name != "lines":
        return lambda _: {}
    return archived.open_archives(db, order.scope, directory)


Take = Callable[[Batch], None]
"""What is done with some rows, at least one. The transaction waits: it must not wait for others."""


def pages(
    db: Database,
    order: Order,
    archives: Archived,
    take: Take,
    *,
    key: Key | None = None,
    size: int | None = None,
) -> Iterator[Key | None]:
    """Take the rows behind the key, page by page; after each, the key that leads on.

    Pages may be without rows.
    """
    table, beside = order.table, Beside(archives, Names(), Moved())
    following: Key | None = table.begin(order.scope) if key is None else key
    limit = size or min(table.page, order.form.page_rows or table.page)
    while following is not None:
        with (
            db.read() as session,
            closing(table.read(session, order.scope, following, limit, beside)) as page,
        ):
            following = _taken(page, take)
        yield following


def _taken(page: Page, take: Take) -> Key | None:
    while True:
        try:
            batch = next(page)
        except StopIteration as end:
            following: Key | None = end.value
            return following
        if batch:
            take(batch)


def fraction(scope: Scope, key: Key | None) -> float:
    """How much of the period lies before the key, from 0 to 1; about that much is read."""
    if key is None:
        return 1.0
    phase, at, _ = key
    if phase != OWN or at is None:
        return 0.0
    since, until = scope.period.since, scope.period.until
    passed: Any = (datetime.fromisoformat(at) - since) / (until - since)
    return float(min(max(passed, 0.0), 1.0))
