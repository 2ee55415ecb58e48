"""Statements of SQL that say what a period made of wallets: rows of the table ``statements``.

What moved wallets is added up once for very many of them, a slice of the ledger at a time, so that
neither a statement nor a transaction takes long, however much there is. Slices may be read in
transactions of their own, because nothing up to an export's position changes any more.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.columns import Batch
from app.exports.scope import Scope
from app.exports.walk.store import OWN, Key, Page, fetch
from app.ledger.models import Account, Transaction
from app.ledger.transactions import Kind
from app.periods import Period
from app.users.models import User

KINDS: tuple[str, ...] = get_args(Kind)
"""Of transactions; each is a column of statements."""
WALLETS = 100_000
"""So many are added up together, some 30 MB: with more, the ledger is gone through once more."""
SLICE = 500_000
"""About so many transactions are added up by one statement."""
_AFTERWARDS = ""
"""In place of a kind: what is in the books, but of a later time than the period's."""

Condition = sa.ColumnElement[bool]


def begin() -> Key:
    return [OWN, None, 0]


@dataclass(frozen=True, slots=True)
class Slice:
    """Transactions that are added up by one statement, and what they are added to."""

    conditions: Sequence[Condition]
    kind: Any


class Moved:
    """What moved the wallets of a block, by kind and id; of one export."""

    def __init__(self) -> None:
        self._after = -1
        self._size = WALLETS
        self.last: int | None = None
        """The highest id of the block; None when no wallets are behind it."""
        self._left: list[Slice] = []
        self.sums: dict[str, dict[int, int]] = {}

    @property
    def is_whole(self) -> bool:
        return not self._left

    def holds(self, wallet_id: int) -> bool:
        """Whether the block has wallets with a higher id, if there are any."""
        return 0 <= self._after <= wallet_id and wallet_id != self.last

    def begin(self, session: Session, scope: Scope, after: int) -> None:
        """Turn to the block of the wallets with ids above ``after``.

        To one of twice as many when it is that one already: a block may have very few wallets that
        had moved, and a page is made of one block.
        """
        self._size = 2 * self._size if after == self._after else WALLETS
        wallets = sa.select(Account.id).where(Account.id > after).order_by(Account.id)
        self.last = session.scalar(wallets.offset(self._size - 1).limit(1))
        self._after = after
        self.sums = {kind: {} for kind in (*KINDS, _AFTERWARDS)}
        self._left = list(_slices(session, scope, self._within(session, scope)))

    def _within(self, session: Session, scope: Scope) -> list[Condition]:
        """Only the wallets of the block, or the one that is asked for."""
        wallet_id: Any = Transaction.wallet_id
        if scope.user_id is not None:
            theirs = sa.select(Account.id).where(Account.user_id == scope.user_id)
            return [wallet_id.in_(theirs)]
        if session.get_bind().dialect.name == "sqlite":
            # It would rather read the whole chains of these wallets than what is of the time.
            wallet_id += 0
        above = [wallet_id > self._after] if self._after else []
        return above if self.last is None else [*above, wallet_id <= self.last]

    def add_slice(self, session: Session) -> None:
        """Add the next one."""
        part = self._left.pop()
        added = sa.func.sum(Transaction.amount)
        chosen = sa.select(Transaction.wallet_id, part.kind, added).where(*part.conditions)
        found = fetch(session, chosen.group_by(Transaction.wallet_id, part.kind))
        for wallet_id, kind, amount in zip(*found, strict=True):
            of_kind = self.sums[kind]
            of_kind[wallet_id] = of_kind.get(wallet_id, 0) + int(amount)


def read_statements(session: Session, scope: Scope, key: Key, limit: int, moved: Moved) -> Page:
    """Rows of the table ``statements``: a row for each wallet that had moved by the position.

    Pages are empty until what moved the wallets behind the key is added up.
    """
    after = key[2]
    if not moved.holds(after):
        moved.begin(session, scope, after)
    if not moved.is_whole:
        moved.add_slice(session)
        return key
    ids, *told, currencies, closings = fetch(session, _wallets(scope, after, limit, moved))
    if len(ids) < limit and moved.last is not None:
        # Pages are as long in a run that goes on as in one that was not interrupted.
        moved.begin(session, scope, after)
        return key
    *kinds, afterwards = (
        list(map(of_kind.get, ids, itertools.repeat(0))) for of_kind in moved.sums.values()
    )
    closings = [there - later for there, later in zip(closings, afterwards, strict=True)]
    openings = [then - sum(sums) for then, *sums in zip(closings, *kinds, strict=True)]
    yield Batch((*told, currencies, openings, *kinds, closings))
    return [OWN, None, ids[-1]] if ids and len(ids) == limit else None


def _wallets(scope: Scope, after: int, limit: int, moved: Moved) -> Any:  # noqa: ANN401 - SQLAlchemy's
    """Wallets that had moved by the position, each with what it had then."""
    newest = (
        sa.select(Transaction.id)
        .where(Transaction.wallet_id == Account.id, Transaction.id <= _upto(scope.period))
        .order_by(Transaction.sequence.desc())
        .limit(1)
        .correlate(Account)
        .scalar_subquery()
    )
    chosen = (
        sa.select(
            Account.id,
            User.uid,
            User.subject,
            User.name,
            Account.currency,
            Transaction.balance_after,
        )
        .join(User, User.id == Account.user_id)
        .join(Transaction, Transaction.id == newest)
        .where(Account.kind == "wallet", Account.id > after)
        .order_by(Account.id)
        .limit(limit)
    )
    if moved.last is not None:
        chosen = chosen.where(Account.id <= moved.last)
    if scope.user_id is not None:
        chosen = chosen.where(Account.user_id == scope.user_id)
    return chosen


def _slices(session: Session, scope: Scope, wallets: Sequence[Condition]) -> Iterator[Slice]:
    """What is of the period's time or later; then what came late for it."""
    period, at, row_id = scope.period, Transaction.posted_at, Transaction.id
    upto = _upto(period)
    known = (row_id <= upto, *wallets)
    kind = sa.case((at < period.until, Transaction.kind), else_=_AFTERWARDS)
    bounds = [period.since] if scope.user_id is not None else _moments(session, period)
    for low, high in itertools.zip_longest(bounds, bounds[1:]):
        yield Slice((at >= low, *([] if high is None else [at < high]), *known), kind)
    if period.after is None:
        return
    step = SLICE if scope.user_id is None else max(upto, 1)
    ids = [*range(period.after.transaction_id, upto, step), upto]
    for above, last in itertools.pairwise(ids):
        late = (row_id > above, row_id <= last, at < period.since)
        yield Slice((*late, *wallets), Transaction.kind)


def _moments(session: Session, period: Period) -> list[datetime]:
    """From the period's beginning on, with about as many transactions between each two."""
    at = Transaction.posted_at
    ordered = sa.select(Transaction.id, at).where(at >= period.since)
    first = session.execute(ordered.order_by(at).limit(1)).first()
    last = session.scalar(sa.select(sa.func.max(at)))
    if first is None or last is None:
        return [period.since]
    count = max(-(-(_upto(period) - first.id) // SLICE), 1)
    width = (last - first.posted_at) / count
    return [period.since, *(first.posted_at + width * number for number in range(1, count))]


def _upto(period: Period) -> int:
    if period.upto is None:
        raise AssertionError("statements are read up to a position: see reading.prepare")
    return period.upto.transaction_id
