"""Every SQL statement on accounts, transactions and postings."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from app.ids import among
from app.ledger.chain import GENESIS, Head
from app.ledger.models import Account, Posting, Transaction
from app.ledger.transactions import HOUSE_ACCOUNTS, Record, Side, wallet_name
from app.upserts import execute_rows, insert_ignoring

PAGE_ROWS = 500
"""How many rows a walk over whole tables holds at a time."""

# The statements of a post are built once: building them costs more than running them.
_TRANSACTIONS = Transaction.metadata.tables[Transaction.__tablename__]
_POSTINGS = Posting.metadata.tables[Posting.__tablename__]
_INSERT_TRANSACTION = {
    dialect: insert(_TRANSACTIONS)
    .on_conflict_do_nothing(index_elements=["idempotency_key"])
    .returning(_TRANSACTIONS.c.id, _TRANSACTIONS.c.idempotency_key)
    for dialect, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}
_WALLET_SIDE: sa.Select[*tuple[Any, ...]] = sa.select(
    sa.bindparam("transaction_id", type_=sa.BigInteger),
    sa.literal_column("0"),
    sa.bindparam("wallet_id", type_=sa.BigInteger),
    sa.bindparam("amount", type_=sa.BigInteger),
)
# The house's account is looked up inside the INSERT: no ids to keep in step.
_HOUSE_SIDE: sa.Select[*tuple[Any, ...]] = sa.select(
    sa.bindparam("transaction_id", type_=sa.BigInteger),
    sa.literal_column("1"),
    Account.id,
    sa.bindparam("counter_amount", type_=sa.BigInteger),
).where(Account.name == sa.bindparam("counter_account"))
_INSERT_POSTINGS = (
    sa.insert(_POSTINGS)
    .from_select(
        ["transaction_id", "position", "account_id", "amount"],
        sa.union_all(_WALLET_SIDE, _HOUSE_SIDE),
    )
    .execution_options(preserve_rowcount=True)
)
_LOCK_WALLETS = (
    sa.select(Account)
    .where(Account.user_id.in_(sa.bindparam("user_ids", expanding=True)))
    .order_by(Account.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_ACCOUNTS = Account.metadata.tables[Account.__tablename__]
_MOVE_ACCOUNT = (
    sa.update(_ACCOUNTS)
    .where(
        _ACCOUNTS.c.id == sa.bindparam("account_id"),
        _ACCOUNTS.c.version == sa.bindparam("version_before"),
    )
    .values(
        balance=sa.bindparam("balance"),
        version=sa.bindparam("version"),
        head_hash=sa.bindparam("head_hash"),
    )
    .execution_options(preserve_rowcount=True)
)


@dataclass(frozen=True, slots=True)
class Reversed:
    """The transaction that a reversal names."""

    wallet_id: int
    kind: str
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was read back: its id, its wallet's, and what it reverses."""

    id: int
    wallet_id: int
    record: Record
    reversed: Reversed | None


def lock_accounts(session: Session, user_ids: Collection[int]) -> dict[int, Account]:
    """The wallets that exist, by user, locked in the order of their ids until the transaction ends.

    SQLite ignores FOR UPDATE; its write lock is taken when the transaction begins.
    """
    rows = session.scalars(_LOCK_WALLETS, {"user_ids": list(user_ids)})
    return {row.user_id: row for row in rows if row.user_id is not None}


def lock_account(session: Session, account_id: int) -> Account:
    """One account that exists, locked until the transaction ends."""
    return session.get_one(Account, account_id, with_for_update=True, populate_existing=True)


def move_accounts(session: Session, moves: Collection[tuple[Account, Head]]) -> None:
    """Put each wallet at its new end of chain, in one statement.

    Raises:
        StaleDataError: a wallet is not as it was read: it was not locked.
    """
    rows = [
        {
            "account_id": wallet.id,
            "version_before": wallet.version,
            "balance": head.balance,
            "version": head.sequence,
            "head_hash": head.hash,
        }
        for wallet, head in moves
    ]
    if not rows:
        return
    if getattr(execute_rows(session, _MOVE_ACCOUNT, rows), "rowcount", 0) != len(rows):
        raise StaleDataError("a wallet was changed by somebody else: lock it before posting")
    for wallet, head in moves:
        set_committed_value(wallet, "balance", head.balance)
        set_committed_value(wallet, "version", head.sequence)
        set_committed_value(wallet, "head_hash", head.hash)


def create_accounts(
    session: Session, user_ids: Collection[int], *, currency: str, now: datetime
) -> None:
    """Wallets for these users, and the house's accounts; those that exist are left as they are.

    Raises:
        IntegrityError: there is no such user.
    """
    owners: list[tuple[str, int | None]] = [(name, None) for name in HOUSE_ACCOUNTS]
    owners += [(wallet_name(user_id), user_id) for user_id in sorted(user_ids)]
    rows = [
        {
            "name": name,
            "kind": "house" if user_id is None else "wallet",
            "user_id": user_id,
            "currency": currency,
            "balance": 0,
            "version": 0,
            "head_hash": GENESIS,
            "created_at": now,
        }
        for name, user_id in owners
    ]
    insert_ignoring(Account, session, rows)


def find_account(session: Session, user_id: int) -> Account | None:
    return session.scalar(sa.select(Account).where(Account.user_id == user_id))


def list_house(session: Session) -> Sequence[Account]:
    return session.scalars(sa.select(Account).where(Account.kind == "house")).all()


def insert_transactions(
    session: Session, links: Sequence[tuple[int, Record]]
) -> dict[str, Transaction]:
    """Write these records of wallets (by id), each with its postings: two statements for all.

    By idempotency key; a record whose key is taken is absent and not written. The rows that come
    back belong to no session: nothing changes them any more.
    """
    if not links:
        return {}
    values = {record.idempotency_key: _values(wallet_id, record) for wallet_id, record in links}
    # Core statements do not flush by themselves; what is pending (the event!) must be there first.
    session.flush()
    statement = _INSERT_TRANSACTION[session.get_bind().dialect.name]
    inserted = session.execute(statement, list(values.values()))
    written = {key: Transaction(id=row_id, **values[key]) for row_id, key in inserted}
    records = [record for _, record in links if record.idempotency_key in written]
    _insert_postings(session, records, written)
    return written


def find_by_key(session: Session, idempotency_key: str) -> Transaction | None:
    return session.scalar(
        sa.select(Transaction).where(Transaction.idempotency_key == idempotency_key)
    )


def find_transaction(session: Session, transaction_id: int) -> Transaction | None:
    return session.get(Transaction, transaction_id)


def find_reversal(session: Session, transaction_id: int) -> Transaction | None:
    return session.scalar(sa.select(Transaction).where(Transaction.reverses_id == transaction_id))


def load_sides(session: Session, transaction_ids: Sequence[int]) -> dict[int, tuple[Side, ...]]:
    """The postings of each transaction, in their order; a transaction without any is absent."""
    statement = (
        sa.select(Posting.transaction_id, Account.name, Posting.amount)
        .join(Account, Account.id == Posting.account_id)
        .where(among(Posting.transaction_id, transaction_ids))
        .order_by(Posting.transaction_id, Posting.position)
    )
    found: dict[int, tuple[Side, ...]] = {}
    for transaction_id, name, amount in session.execute(statement):
        found[transaction_id] = (*found.get(transaction_id, ()), Side(name, amount))
    return found


def list_transactions(
    session: Session, wallet_id: int, *, before: int | None, limit: int
) -> Sequence[Transaction]:
    """A wallet's transactions, newest first, with a sequence below ``before``."""
    statement = sa.select(Transaction).where(Transaction.wallet_id == wallet_id)
    if before is not None:
        statement = statement.where(Transaction.sequence < before)
    return session.scalars(statement.order_by(Transaction.sequence.desc()).limit(limit)).all()


def iter_wallets(
    session: Session, *, since: datetime | None = None
) -> Iterator[dict[int, Account]]:
    """All wallets by id, in the order of their ids, a page at a time.

    With ``since`` only those whose chain has grown since then.
    """
    statement = sa.select(Account).where(Account.kind == "wallet")
    if since is not None:
        grown = sa.select(Transaction.wallet_id).where(Transaction.id >= _begin(since))
        statement = statement.where(Account.id.in_(grown))
    last = 0
    while True:
        following = statement.where(Account.id > last).order_by(Account.id).limit(PAGE_ROWS)
        page = {account.id: account for account in session.scalars(following)}
        if not page:
            return
        yield page
        last = max(page)


def iter_records(
    session: Session, wallets: Mapping[int, Account], *, since: datetime | None
) -> Iterator[Stored]:
    """The records of these wallets by wallet and sequence, read a page at a time.

    With ``since``, each wallet's begin with the first one written then or later; what waited in
    the spool counts as of when it was written, though it is posted as of its arrival.
    """
    order = (Transaction.wallet_id, Transaction.sequence)
    statement = sa.select(Transaction).where(Transaction.wallet_id.in_(wallets))
    if since is not None:
        begun = _first_sequences(wallets, since).subquery()
        statement = statement.join(begun, begun.c.wallet_id == Transaction.wallet_id)
        statement = statement.where(Transaction.sequence >= begun.c.first)
    last = (0, 0)
    while True:
        following = statement.where(sa.tuple_(*order) > sa.tuple_(*last)).order_by(*order)
        page = session.scalars(following.limit(PAGE_ROWS)).all()
        if not page:
            return
        yield from _stored(session, wallets, page)
        last = (page[-1].wallet_id, page[-1].sequence)


def count_rows(session: Session) -> tuple[int, int]:
    """How many transactions and postings there are, whatever they hang on."""
    transactions = session.scalar(sa.select(sa.func.count()).select_from(Transaction))
    postings = session.scalar(sa.select(sa.func.count()).select_from(Posting))
    return transactions or 0, postings or 0


def _first_sequences(wallets: Mapping[int, Account], since: datetime) -> sa.Select[int, int]:
    return (
        sa.select(Transaction.wallet_id, sa.func.min(Transaction.sequence).label("first"))
        .where(Transaction.wallet_id.in_(wallets), Transaction.id >= _begin(since))
        .group_by(Transaction.wallet_id)
    )


def _begin(since: datetime) -> sa.ScalarSelect[int]:
    """The id that the books had come to then; NULL, like which is none, when nothing came since."""
    return (
        sa.select(sa.func.min(Transaction.id))
        .where(Transaction.posted_at >= since)
        .scalar_subquery()
    )


def _stored(
    session: Session, wallets: Mapping[int, Account], page: Sequence[Transaction]
) -> Iterator[Stored]:
    sides = load_sides(session, [row.id for row in page])
    reversed_ = _load_reversed(session, [row.reverses_id for row in page if row.reverses_id])
    for row in page:
        yield Stored(
            id=row.id,
            wallet_id=row.wallet_id,
            record=_record(wallets[row.wallet_id], row, sides.get(row.id, ())),
            reversed=None if row.reverses_id is None else reversed_.get(row.reverses_id),
        )


def _load_reversed(session: Session, ids: Sequence[int]) -> dict[int, Reversed]:
    if not ids:
        return {}
    sides = load_sides(session, ids)
    rows = session.scalars(sa.select(Transaction).where(among(Transaction.id, ids)))
    return {row.id: Reversed(row.wallet_id, row.kind, sides.get(row.id, ())) for row in rows}


def _record(wallet: Account, row: Transaction, sides: tuple[Side, ...]) -> Record:
    return Record(
        wallet=wallet.name,
        currency=wallet.currency,
        sequence=row.sequence,
        kind=row.kind,
        idempotency_key=row.idempotency_key,
        input_hash=row.input_hash,
        posted_at=row.posted_at,
        amount=row.amount,
        balance_after=row.balance_after,
        event_id=row.event_id,
        reverses_id=row.reverses_id,
        reason=row.reason,
        actor=row.actor,
        details=row.details,
        sides=sides,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )


def _values(wallet_id: int, record: Record) -> dict[str, Any]:
    return {
        "wallet_id": wallet_id,
        "sequence": record.sequence,
        "kind": record.kind,
        "idempotency_key": record.idempotency_key,
        "input_hash": record.input_hash,
        "posted_at": record.posted_at,
        "amount": record.amount,
        "balance_after": record.balance_after,
        "event_id": record.event_id,
        "reverses_id": record.reverses_id,
        "reason": record.reason,
        "actor": record.actor,
        "details": record.details,
        "previous_hash": record.previous_hash,
        "hash": record.hash,
    }


def _insert_postings(
    session: Session, records: Sequence[Record], written: Mapping[str, Transaction]
) -> None:
    rows: list[dict[str, Any]] = []
    for record in records:
        wallet, counter = record.sides
        transaction = written[record.idempotency_key]
        rows.append(
            {
                "transaction_id": transaction.id,
                "wallet_id": transaction.wallet_id,
                "amount": wallet.amount,
                "counter_amount": counter.amount,
                "counter_account": counter.account,
            }
        )
    inserted = execute_rows(session, _INSERT_POSTINGS, rows) if rows else None
    if getattr(inserted, "rowcount", 0) != 2 * len(rows):
        names = " or ".join(sorted({row["counter_account"] for row in rows}))
        raise RuntimeError(f"the account {names} is missing: restore it from a backup")
