"""Re-derive every balance and every chain from the postings, and say what does not fit.

Only the ledger's own tables; whether they fit the usage events is ``statements.verification``.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy.orm import Session

from app.ledger import chain, store
from app.ledger.chain import Head
from app.ledger.models import Account
from app.ledger.store import Stored
from app.ledger.transactions import (
    HOUSE_ACCOUNTS,
    Entry,
    EntryInvalid,
    House,
    Kind,
    Record,
    check,
    check_reversal,
    input_hash,
)

CODES = (
    "sequence_gap",
    "chain_broken",
    "balance_wrong",
    "hash_wrong",
    "account_differs",
    "postings_missing",
    "unbalanced",
    "postings_differ",
    "rule_broken",
    "input_hash_wrong",
    "house_account_missing",
    "transactions_stray",
    "postings_stray",
)
"""Of every finding there is."""
COMPARE = "Compare it with a backup."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable code, what it means and what to do, and where it is."""

    code: str
    message: str
    ids: Mapping[str, int | str]

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "ids": dict(self.ids)}


@dataclass(slots=True)
class Tally:
    """What was seen on the way: counts, and the balance of each account in nano-units.

    ``balances`` has the house's accounts by name and the sum of all wallets as ``wallets``; all
    together they are zero. ``heads`` digests where every chain ends: noted somewhere else, it
    proves later that nobody rewrote a chain from its beginning.
    """

    wallets: int = 0
    transactions: int = 0
    postings: int = 0
    balances: Counter[str] = field(default_factory=Counter)
    heads: str = ""


def verify(
    session: Session,
    *,
    since: datetime | None = None,
    tally: Tally | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Everything wrong with the ledger, wallet by wallet, in memory that does not grow with it.

    With ``since`` only what was written from then on is looked at; each chain is then believed up
    to there. Wallets without such transactions are left out, and so are counts over all tables and
    the ``heads``. ``on_step`` is called before each wallet; what it raises ends the work.
    """
    tally = tally if tally is not None else Tally()
    heads = hashlib.sha256()
    for wallets in store.iter_wallets(session, since=since):
        groups = itertools.groupby(
            store.iter_records(session, wallets, since=since), key=lambda stored: stored.wallet_id
        )
        rest = dict(wallets)
        for wallet_id, records in groups:
            on_step()
            yield from _verify_wallet(rest.pop(wallet_id), records, tally, since=since)
        if since is None:
            for wallet in rest.values():
                yield from _verify_wallet(wallet, iter(()), tally, since=None)
        for wallet in wallets.values():
            heads.update(f"{wallet.name} {wallet.version} {wallet.head_hash}\n".encode())
    if since is None:
        tally.heads = heads.hexdigest()
    yield from _verify_house(session, tally)
    if since is None:
        yield from _verify_counts(session, tally)


def _verify_wallet(
    wallet: Account, records: Iterator[Stored], tally: Tally, *, since: datetime | None
) -> Iterator[Finding]:
    head = Head(wallet.name, wallet.currency)
    for position, stored in enumerate(records):
        record = stored.record
        if since is not None and position == 0:
            head = chain.head_before(record)
        ids: dict[str, int | str] = {
            "transaction": stored.id,
            "wallet": wallet.name,
            "sequence": record.sequence,
        }
        for broken in chain.verify_link(record, head):
            yield Finding(broken.code, broken.message, ids)
        for code, message in _broken_rules(stored, wallet):
            yield Finding(code, message, ids)
        head = chain.head_after(record)
        _count(record, tally)
    tally.wallets += 1
    if (wallet.balance, wallet.version, wallet.head_hash) != (
        head.balance,
        head.sequence,
        head.hash,
    ):
        yield Finding(
            "account_differs",
            f"{wallet.name}: its row says {wallet.balance} at version {wallet.version}, its "
            f"transactions say {head.balance} at {head.sequence}. The row is only a copy: if no "
            "transaction is missing, set the row to what they say.",
            {"wallet": wallet.name},
        )


def _broken_rules(stored: Stored, wallet: Account) -> Iterator[tuple[str, str]]:
    record = stored.record
    where = f"{record.wallet}: transaction {record.sequence}"
    if len(record.sides) != len(("wallet", "house")):
        yield (
            "postings_missing",
            f"{where} has {len(record.sides)} postings instead of two. Restore them from a backup.",
        )
        return
    if sum(side.amount for side in record.sides) != 0:
        yield "unbalanced", f"{where}: its postings do not sum to zero. {COMPARE}"
    mine, counter = record.sides
    if mine.account != record.wallet or mine.amount != record.amount:
        yield (
            "postings_differ",
            f"{where}: its first posting is not its amount on {record.wallet}. {COMPARE}",
        )
    if counter.account not in HOUSE_ACCOUNTS:
        yield (
            "postings_differ",
            f"{where}: its second posting is on {counter.account}, not on the house's. {COMPARE}",
        )
        return
    yield from _broken_entry(stored, wallet, where)


def _broken_entry(stored: Stored, wallet: Account, where: str) -> Iterator[tuple[str, str]]:
    record = stored.record
    entry = _entry(record)
    try:
        check(entry)
        if record.kind == "reversal":
            _check_reversal(stored, wallet, entry)
    except EntryInvalid as error:
        yield (
            "rule_broken",
            f"{where} is one the service never makes: {error}. {COMPARE}",
        )
    if record.input_hash != input_hash(record.wallet, entry):
        yield (
            "input_hash_wrong",
            f"{where}: its digest of what was asked for is of something else. {COMPARE}",
        )


def _check_reversal(stored: Stored, wallet: Account, entry: Entry) -> None:
    reversed_ = stored.reversed
    if reversed_ is None or not reversed_.sides:
        raise EntryInvalid("what it reverses is missing")
    check_reversal(
        entry,
        wallet=wallet.name,
        reversed_wallet=wallet.name if reversed_.wallet_id == wallet.id else "another wallet",
        reversed_kind=reversed_.kind,
        counter=reversed_.sides[-1],
    )


def _entry(record: Record) -> Entry:
    return Entry(
        kind=cast("Kind", record.kind),
        amount=record.amount,
        counter_account=cast("House", record.sides[-1].account),
        idempotency_key=record.idempotency_key,
        actor=record.actor,
        reason=record.reason,
        event_id=record.event_id,
        reverses_id=record.reverses_id,
        details=record.details,
    )


def _count(record: Record, tally: Tally) -> None:
    tally.transactions += 1
    tally.postings += len(record.sides)
    for side in record.sides:
        tally.balances["wallets" if side.account == record.wallet else side.account] += side.amount


def _verify_house(session: Session, tally: Tally) -> Iterator[Finding]:
    missing = set(HOUSE_ACCOUNTS) - {account.name for account in store.list_house(session)}
    if missing and tally.wallets:
        for name in sorted(missing):
            yield Finding(
                "house_account_missing",
                f"The account {name} is missing. Restore it from a backup.",
                {"account": name},
            )


def _verify_counts(session: Session, tally: Tally) -> Iterator[Finding]:
    transactions, postings = store.count_rows(session)
    if transactions != tally.transactions:
        yield Finding(
            "transactions_stray",
            f"{transactions - tally.transactions} transactions belong to no wallet. "
            "Compare ledger_transactions with a backup.",
            {"count": transactions - tally.transactions},
        )
    if postings != tally.postings:
        yield Finding(
            "postings_stray",
            f"{postings - tally.postings} postings belong to no transaction of a wallet. "
            "Compare ledger_postings with a backup.",
            {"count": postings - tally.postings},
        )
