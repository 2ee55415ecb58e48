"""Post to a wallet: the only way anything gets into the ledger.

Lock the wallet first, post, commit. A lock costs one statement (however many wallets), a post
three: transaction, both postings, account. A wallet's very first lock costs three more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.ledger import chain, store, transactions
from app.ledger.models import Account, Transaction
from app.ledger.transactions import (
    HOUSE_ACCOUNTS,
    AlreadyReversed,
    Entry,
    House,
    IdempotencyConflict,
    Record,
)


class CurrencyChanged(Conflict):
    """The ledger keeps the currency it began with."""

    code = "currency_changed"


@dataclass(frozen=True, slots=True)
class Posted:
    """``is_replay``: the transaction was there already and nothing was written."""

    transaction: Transaction
    is_replay: bool


@dataclass(frozen=True, slots=True)
class Booking:
    """A change, the locked wallet it goes to, and when it happened."""

    wallet: Account
    entry: Entry
    posted_at: datetime


def ensure_wallet(session: Session, user_id: int, *, currency: str, now: datetime) -> Account:
    """The user's wallet, made if missing; not locked.

    Raises:
        NotFound: there is no such user.
        CurrencyChanged: the wallet is in another currency.
    """
    wallet = store.find_account(session, user_id)
    if wallet is None:
        return lock_wallet(session, user_id, currency=currency, now=now)
    _check_currencies([wallet], currency)
    return wallet


def lock_wallet(session: Session, user_id: int, *, currency: str, now: datetime) -> Account:
    """The user's wallet as it is now, locked until the transaction ends; made if missing.

    Raises:
        NotFound: there is no such user.
        CurrencyChanged: the wallet is in another currency.
    """
    return lock_wallets(session, [user_id], currency=currency, now=now)[user_id]


def lock_wallets(
    session: Session, user_ids: Collection[int], *, currency: str, now: datetime
) -> dict[int, Account]:
    """The wallets of these users, locked in one order so that two callers cannot deadlock.

    Lock every wallet of a transaction with one call: a second call could come in another order.

    Raises:
        NotFound: one of the users does not exist.
        CurrencyChanged: one of the wallets is in another currency.
    """
    wanted = set(user_ids)
    wallets = store.lock_accounts(session, wanted)
    if missing := wanted - wallets.keys():
        try:
            store.create_accounts(session, missing, currency=currency, now=now)
        except IntegrityError as error:
            raise NotFound("there is no such user", code="user_not_found") from error
        wallets = store.lock_accounts(session, wanted)
        _check_currencies(store.list_house(session), currency)
    _check_currencies(wallets.values(), currency)
    return wallets


def lock_wallet_of(session: Session, transaction: Transaction) -> Account:
    """The wallet that ``transaction`` changed, locked until this transaction ends."""
    return store.lock_account(session, transaction.wallet_id)


def counter_account(session: Session, transaction: Transaction) -> House:
    """The house's account on the other side of ``transaction``."""
    name = store.load_sides(session, [transaction.id])[transaction.id][-1].account
    return next(house for house in HOUSE_ACCOUNTS if house == name)


def post(session: Session, wallet: Account, entry: Entry, *, now: datetime) -> Posted:
    """Write one transaction with its postings and move the wallet on.

    ``wallet`` must come from ``lock_wallet`` in this session's transaction; without the lock
    it fails instead of losing a change. The same key with the same input returns the
    transaction it made the first time and changes nothing.

    Raises:
        EntryInvalid: the entry breaks a rule of the ledger.
        IdempotencyConflict: the key was used for something else.
        AlreadyReversed: the transaction was reversed under another key.
        NotFound: there is no transaction to reverse.
    """
    transactions.check(entry)
    if entry.kind == "reversal":
        if (replayed := find_posted(session, wallet, entry)) is not None:
            return Posted(replayed, is_replay=True)
        _check_reversal(session, wallet, entry)
    record = chain.link(_head(wallet), entry, posted_at=now)
    written = store.insert_transactions(session, [(wallet.id, record)])
    if (row := written.get(entry.idempotency_key)) is None:
        return Posted(_get_posted(session, wallet, entry), is_replay=True)
    store.move_accounts(session, [(wallet, chain.head_after(record))])
    return Posted(row, is_replay=False)


def post_many(session: Session, bookings: Sequence[Booking]) -> list[Transaction]:
    """Write many new changes, those of one wallet on top of each other, and move the wallets on.

    Three statements, however many there are. The wallets must come from one ``lock_wallets`` in
    this session's transaction. Not for reversals. When it raises, some may be written: roll back.

    Raises:
        EntryInvalid: an entry breaks a rule of the ledger.
        IdempotencyConflict: one of the keys is taken.
    """
    wallets = {booking.wallet.id: booking.wallet for booking in bookings}
    heads = {wallet.id: _head(wallet) for wallet in wallets.values()}
    links: list[tuple[int, Record]] = []
    for booking in bookings:
        wallet_id = booking.wallet.id
        transactions.check(booking.entry)
        record = chain.link(heads[wallet_id], booking.entry, posted_at=booking.posted_at)
        heads[wallet_id] = chain.head_after(record)
        links.append((wallet_id, record))
    written = store.insert_transactions(session, links)
    for _, record in links:
        if record.idempotency_key not in written:
            raise IdempotencyConflict(
                f"the idempotency key {record.idempotency_key!r} was used before: use another key"
            )
    store.move_accounts(session, [(wallet, heads[wallet.id]) for wallet in wallets.values()])
    return [written[record.idempotency_key] for _, record in links]


def find_posted(session: Session, wallet: Account, entry: Entry) -> Transaction | None:
    """The transaction that ``entry`` made when it was posted before, or None.

    Raises:
        IdempotencyConflict: the key was used for something else.
    """
    found = store.find_by_key(session, entry.idempotency_key)
    if found is None:
        return None
    if found.input_hash != transactions.input_hash(wallet.name, entry):
        raise IdempotencyConflict(
            f"the idempotency key {entry.idempotency_key!r} was used before for transaction "
            f"{found.id}, which is something else: use another key"
        )
    return found


def _get_posted(session: Session, wallet: Account, entry: Entry) -> Transaction:
    found = find_posted(session, wallet, entry)
    if found is None:  # its maker can only be an open transaction, and the INSERT waited for it
        raise RuntimeError(f"no transaction has the key {entry.idempotency_key!r}, yet it is taken")
    return found


def _check_reversal(session: Session, wallet: Account, entry: Entry) -> None:
    # Safe without a further lock: whatever touches the reversed transaction holds this wallet's.
    reverses_id = entry.reverses_id or 0
    reversed_ = store.find_transaction(session, reverses_id)
    if reversed_ is None:
        raise NotFound(f"there is no transaction {reverses_id}", code="transaction_not_found")
    if (earlier := store.find_reversal(session, reverses_id)) is not None:
        raise AlreadyReversed(f"transaction {reverses_id} is reversed by {earlier.id} already")
    counter = store.load_sides(session, [reverses_id])[reverses_id][-1]
    transactions.check_reversal(
        entry,
        wallet=wallet.name,
        reversed_wallet=wallet.name if reversed_.wallet_id == wallet.id else "another wallet",
        reversed_kind=reversed_.kind,
        counter=counter,
    )


def _head(wallet: Account) -> chain.Head:
    return chain.Head(
        wallet.name, wallet.currency, wallet.balance, wallet.version, wallet.head_hash
    )


def _check_currencies(accounts: Iterable[Account], currency: str) -> None:
    for account in accounts:
        if account.currency != currency:
            raise CurrencyChanged(
                f"{account.name} is in {account.currency}, but billing.currency is {currency}: "
                "set it back, amounts are never converted"
            )
