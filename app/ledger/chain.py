"""The hash chain of a wallet: what a link's hash covers, and how a chain is checked. Pure.

The list of what is inside the hash stands in README.md; the hash is computed here and nowhere else.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.ledger.transactions import (
    Entry,
    EntryInvalid,
    Record,
    canonical_json,
    canonical_time,
    input_hash,
    sides,
)
from app.money import NANO_MAX

VERSION = 1
GENESIS = "0" * 64
"""What the first link of every chain follows."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a wallet's chain ends: its newest balance, sequence and hash."""

    wallet: str
    currency: str
    balance: int = 0
    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong with one link."""

    code: str
    message: str
    record: Record


def link(head: Head, entry: Entry, *, posted_at: datetime) -> Record:
    """The next link: ``entry`` on top of ``head``, balanced and hashed.

    Raises:
        EntryInvalid: the balance would leave what the ledger can hold.
    """
    balance = head.balance + entry.amount
    if abs(balance) > NANO_MAX:
        raise EntryInvalid("the balance would be more than the ledger can hold")
    record = Record(
        wallet=head.wallet,
        currency=head.currency,
        sequence=head.sequence + 1,
        kind=entry.kind,
        idempotency_key=entry.idempotency_key,
        input_hash=input_hash(head.wallet, entry),
        posted_at=posted_at.astimezone(UTC),
        amount=entry.amount,
        balance_after=balance,
        event_id=entry.event_id,
        reverses_id=entry.reverses_id,
        reason=entry.reason,
        actor=entry.actor,
        details=dict(entry.details),
        sides=sides(head.wallet, entry.counter_account, entry.amount),
        previous_hash=head.hash,
        hash="",
    )
    return replace(record, hash=link_hash(record))


def link_hash(record: Record) -> str:
    """SHA-256 over the canonical form of everything the record says but its own hash."""
    return hashlib.sha256(canonical(record)).hexdigest()


def canonical(record: Record) -> bytes:
    return canonical_json(link_fields(record))


def link_fields(record: Record) -> dict[str, Any]:
    """What the hash covers: numbers and digests, nothing that names anybody."""
    return {
        "v": VERSION,
        "wallet": record.wallet,
        "currency": record.currency,
        "sequence": record.sequence,
        "kind": record.kind,
        "posted_at": canonical_time(record.posted_at),
        "amount": record.amount,
        "balance_after": record.balance_after,
        "event_id": record.event_id,
        "reverses_id": record.reverses_id,
        "postings": [[side.account, side.amount] for side in record.sides],
        "words_hash": hashlib.sha256(canonical_json(words(record))).hexdigest(),
        "previous_hash": record.previous_hash,
    }


def words(record: Record) -> dict[str, Any]:
    """What people wrote about it. It is inside the hash by its digest only.

    So a chain can be proven to somebody who may not read it. The idempotency key, random or a
    fingerprint, keeps short reasons from being guessed.
    """
    return {
        "actor": record.actor,
        "details": dict(record.details),
        "idempotency_key": record.idempotency_key,
        "input_hash": record.input_hash,
        "reason": record.reason,
    }


def head_after(record: Record) -> Head:
    return Head(record.wallet, record.currency, record.balance_after, record.sequence, record.hash)


def head_before(record: Record) -> Head:
    """Where the chain must have ended before ``record``, if ``record`` is to be believed."""
    return Head(
        record.wallet,
        record.currency,
        record.balance_after - record.amount,
        record.sequence - 1,
        record.previous_hash,
    )


def verify_chain(records: Iterable[Record], head: Head) -> Iterator[Break]:
    """Everything wrong with one wallet's links that follow ``head``, in their order.

    After a break the stored values are believed again, so that one change is reported where it
    was made and not on every link behind it.
    """
    for record in records:
        yield from verify_link(record, head)
        head = head_after(record)


def verify_link(record: Record, head: Head) -> Iterator[Break]:
    if record.sequence != head.sequence + 1:
        yield Break(
            "sequence_gap",
            f"{record.wallet}: transaction {record.sequence} follows {head.sequence}; those "
            "between are missing. Restore them from a backup.",
            record,
        )
    elif record.previous_hash != head.hash:
        yield Break(
            "chain_broken",
            f"{record.wallet}: transaction {record.sequence} does not follow the one stored before "
            "it; one of the two was replaced. Compare both with a backup.",
            record,
        )
    elif record.balance_after != head.balance + record.amount:
        yield Break(
            "balance_wrong",
            f"{record.wallet}: the balance after transaction {record.sequence} is not the one "
            "before plus its amount. Compare it with a backup.",
            record,
        )
    if record.hash != link_hash(record):
        yield Break(
            "hash_wrong",
            f"{record.wallet}: transaction {record.sequence} or its postings were changed after "
            "they were posted. Compare them with a backup.",
            record,
        )
