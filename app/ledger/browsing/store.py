"""Statements for people who look: lists of accounts and transactions, and their sums.

None of them reads all charges, of which there may be millions.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.errors import NotFound
from app.ids import among
from app.ledger.models import Account, Transaction
from app.ledger.transactions import COUNTER_ACCOUNT, HOUSE_ACCOUNTS, Kind

_NO_CHARGE = Transaction.kind != sa.literal_column("'charge'")
"""Written out, so that the index of these alone is used."""
_ID_MAX = 2**63 - 1
CHARGED_BY = "fastgpt"
"""The actor of every charge."""
_OTHER_KINDS = [kind for kind in get_args(Kind) if kind != "charge"]
# Named by their kinds, too: SQLite begins with an index it can look up in.
_SUMS = (
    sa.select(Transaction.kind, sa.func.sum(Transaction.amount))
    .where(Transaction.kind.in_([kind for kind in _OTHER_KINDS if kind != "reversal"]), _NO_CHARGE)
    .group_by(Transaction.kind)
)
_Reversed = aliased(Transaction)
_REVERSED_SUMS = (
    sa.select(_Reversed.kind, sa.func.sum(Transaction.amount))
    .join(_Reversed, _Reversed.id == Transaction.reverses_id)
    .where(Transaction.kind == "reversal", _NO_CHARGE)
    .group_by(_Reversed.kind)
)


class TransactionNotFound(NotFound):
    """The ledger has no such transaction."""

    code = "transaction_not_found"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions; None: whatever it is. ``until`` is not included."""

    kind: str | None = None
    wallet_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    idempotency_key: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A transaction, and whose wallet it changed."""

    transaction: Transaction
    user_id: int


def list_transactions(
    session: Session, wanted: Wanted, *, before: tuple[datetime, int] | None, limit: int
) -> list[Listed]:
    """Transactions that match everything wanted, by time and number, newest first.

    ``before`` are time and number of the last one of the page before.
    """
    order = (Transaction.posted_at, Transaction.id)
    statement = (
        sa.select(Transaction, Account.user_id)
        .join(Account, Account.id == Transaction.wallet_id)
        .where(*_conditions(wanted))
        .order_by(*(column.desc() for column in order))
        .limit(limit)
    )
    if before is not None:
        at = sa.literal(before[0], Transaction.posted_at.type)
        statement = statement.where(sa.tuple_(*order) < sa.tuple_(at, before[1]))
    return [Listed(row, user_id or 0) for row, user_id in session.execute(statement)]


def get_transaction(session: Session, transaction_id: int) -> Listed:
    """One transaction.

    Raises:
        TransactionNotFound: there is none.
    """
    row = session.get(Transaction, transaction_id) if transaction_id <= _ID_MAX else None
    if row is None:
        raise TransactionNotFound(f"there is no transaction {transaction_id}")
    wallet = session.get_one(Account, row.wallet_id)
    return Listed(row, wallet.user_id or 0)


def list_wallets(
    session: Session, *, order: str, after: tuple[int, int] | None, limit: int
) -> Sequence[Account]:
    """Wallets, ``oldest`` first or by balance, ``lowest`` or ``highest`` first.

    ``after`` are balance and number of the last one of the page before.
    """
    statement = sa.select(Account).where(Account.kind == "wallet").limit(limit)
    place = sa.tuple_(Account.balance, Account.id)
    if order == "oldest":
        statement = statement.order_by(Account.id)
        if after is not None:
            statement = statement.where(Account.id > after[1])
    elif order == "lowest":
        statement = statement.order_by(Account.balance, Account.id)
        if after is not None:
            statement = statement.where(place > sa.tuple_(*after))
    else:
        statement = statement.order_by(Account.balance.desc(), Account.id.desc())
        if after is not None:
            statement = statement.where(place < sa.tuple_(*after))
    return session.scalars(statement).all()


def load_wallets(session: Session, user_ids: Collection[int]) -> dict[int, Account]:
    """The wallets of these users, by user; who has none is absent."""
    rows = session.scalars(sa.select(Account).where(among(Account.user_id, user_ids)))
    return {row.user_id: row for row in rows if row.user_id is not None}


def balances(session: Session) -> dict[str, int]:
    """What stands on ``wallets`` together and on each account of the house, in nano-units.

    All accounts together are zero, so what the charges put on ``revenue`` is what is missing in
    wallets and other accounts: summed up without reading a charge that was not reversed.
    """
    wallets = session.scalar(
        sa.select(sa.func.sum(Account.balance)).where(Account.kind == "wallet")
    )
    found: dict[str, int] = dict.fromkeys(HOUSE_ACCOUNTS, 0)
    for kind, amount in (*session.execute(_SUMS), *session.execute(_REVERSED_SUMS)):
        found[COUNTER_ACCOUNT[kind]] -= int(amount)
    total = int(wallets or 0)
    others = sum(amount for name, amount in found.items() if name != "revenue")
    return {"wallets": total, **found, "revenue": -total - others}


def count_wallets(session: Session) -> int:
    counted = sa.select(sa.func.count()).select_from(Account).where(Account.kind == "wallet")
    return session.scalar(counted) or 0


def _conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    equal: dict[str, Any] = {
        "kind": wanted.kind,
        "wallet_id": wanted.wallet_id,
        "idempotency_key": wanted.idempotency_key,
        "actor": wanted.actor,
    }
    for name, value in equal.items():
        if value is not None:
            yield getattr(Transaction, name) == value
    if wanted.kind not in (None, "charge") or wanted.actor not in (None, CHARGED_BY):
        yield _NO_CHARGE
    if wanted.kind is None and wanted.actor not in (None, CHARGED_BY):
        yield Transaction.kind.in_(_OTHER_KINDS)
    if wanted.since is not None:
        yield Transaction.posted_at >= wanted.since
    if wanted.until is not None:
        yield Transaction.posted_at < wanted.until
