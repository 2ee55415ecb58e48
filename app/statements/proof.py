"""A proof of the whole books for somebody who does not trust our code: facts, and no names.

What is in each file stands in proof_format.md, which is written beside them with the checker.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.db import Database
from app.ledger import chain
from app.ledger import store as ledger_store
from app.ledger.chain import GENESIS
from app.ledger.models import Account
from app.ledger.store import Stored
from app.ledger.transactions import HOUSE_ACCOUNTS, canonical_time
from app.statements import store
from app.statements.bundle import Bundle, writing
from app.statements.shelf import Shelf

FORMAT = "shareauth-proof/1"
README, CHECKER = "README.md", "check.py"
_TOTALS = ("wallets", *HOUSE_ACCOUNTS, "accounts", "events", "lines", "points", "charged")
_ARCHIVE_FACTS = ("events_digest", "sha256")
_SOURCES = {README: "proof_format.md", CHECKER: "check_proof.py"}


@dataclass(frozen=True, slots=True)
class Proof:
    """What was written: where, the manifest, and the SHA-256 of the manifest's file.

    Who notes that digest somewhere else can prove later that no byte of the proof was changed.
    """

    place: Path
    manifest: Mapping[str, Any]
    digest: str


@dataclass(slots=True)
class _Seen:
    """Sums on the way. ``totals`` are as in the manifest."""

    totals: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_TOTALS, 0)))
    heads: Any = field(default_factory=hashlib.sha256)
    currency: str | None = None
    last_transaction: int = 0
    last_event: int = 0
    last_posted_at: datetime | None = None
    archives: dict[str, dict[str, Any]] = field(default_factory=dict)


def export(
    db: Database, place: Path, *, software: str, now: datetime, with_words: bool = False
) -> Proof:
    """Write a proof as of one snapshot, in memory that does not grow with the books.

    A directory, or a ZIP archive when ``place`` ends in ``.zip``. ``with_words`` adds what people
    wrote: actors, reasons, keys and details. It writes what is there, right or wrong: whether it
    adds up is the checker's to say.

    Raises:
        PlaceTaken, PlaceUnwritable: see ``bundle.writing``.
    """
    seen = _Seen()
    with writing(place) as bundle:
        with db.read() as session:
            _write_transactions(session, bundle, seen, with_words=with_words)
            _write_events(session, bundle, seen)
            _write_accounts(session, bundle, seen)
        for name, source in _SOURCES.items():
            bundle.write(name, resources.files(__package__).joinpath(source).read_bytes())
        manifest = _manifest(seen, bundle.digests, software=software, now=now)
        text = json.dumps(manifest, indent=2).encode() + b"\n"
        digest = hashlib.sha256(text).hexdigest()
        bundle.write("manifest.json", text)
        bundle.write("manifest.sha256", f"{digest}  manifest.json\n".encode())
    return Proof(place, manifest, digest)


def _write_transactions(session: Session, bundle: Bundle, seen: _Seen, *, with_words: bool) -> None:
    with bundle.lines("transactions.jsonl") as put:
        for wallets in ledger_store.iter_wallets(session):
            for stored in ledger_store.iter_records(session, wallets, since=None):
                _put(put, _transaction(stored, with_words=with_words))
                _count_transaction(stored, seen)


def _transaction(stored: Stored, *, with_words: bool) -> dict[str, Any]:
    row = {
        "id": stored.id,
        "hash": stored.record.hash,
        "link": chain.link_fields(stored.record),
    }
    return {**row, "words": chain.words(stored.record)} if with_words else row


def _count_transaction(stored: Stored, seen: _Seen) -> None:
    record = stored.record
    seen.totals[record.kind] += 1
    for side in record.sides:
        seen.totals["wallets" if side.account == record.wallet else side.account] += side.amount
    if stored.id > seen.last_transaction:
        seen.last_transaction, seen.last_posted_at = stored.id, record.posted_at


def _write_events(session: Session, bundle: Bundle, seen: _Seen) -> None:
    shelf = Shelf.load(session)
    with bundle.lines("events.jsonl") as put:
        for event, received_at in store.iter_proven_events(session):
            volume = shelf.take(
                event["id"], received_at, points=event["points"], charge=event["charge"]
            )
            _put(put, {**event, "archive": None if volume is None else volume.name})
            seen.totals["events"] += 1
            seen.totals["lines"] += len(event["lines"])
            seen.totals["points"] += event["points"]
            seen.totals["charged"] += event["charge"]
            seen.last_event = max(seen.last_event, event["id"])
    for volume in shelf.volumes:
        said = volume.row.manifest
        seen.archives[volume.name] = {name: said.get(name) for name in _ARCHIVE_FACTS}


def _write_accounts(session: Session, bundle: Bundle, seen: _Seen) -> None:
    with bundle.lines("accounts.jsonl") as put:
        for house in ledger_store.list_house(session):
            # Its row holds no balance: it is the sum of its postings.
            _put(put, _account(house, balance=seen.totals[house.name], head_hash=GENESIS))
            seen.totals["accounts"] += 1
            seen.currency = house.currency
        for wallets in ledger_store.iter_wallets(session):
            for wallet in wallets.values():
                _put(put, _account(wallet, balance=wallet.balance, head_hash=wallet.head_hash))
                seen.totals["accounts"] += 1
                seen.heads.update(f"{wallet.name} {wallet.version} {wallet.head_hash}\n".encode())


def _account(account: Account, *, balance: int, head_hash: str) -> dict[str, Any]:
    return {
        "name": account.name,
        "balance": balance,
        "version": account.version,
        "head_hash": head_hash,
    }


def _manifest(
    seen: _Seen, files: Mapping[str, str], *, software: str, now: datetime
) -> dict[str, Any]:
    posted_at = seen.last_posted_at
    return {
        "format": FORMAT,
        "software": software,
        "created_at": canonical_time(now),
        "currency": seen.currency,
        "position": {
            "transaction": seen.last_transaction,
            "posted_at": None if posted_at is None else canonical_time(posted_at),
            "event": seen.last_event,
        },
        "totals": dict(sorted(seen.totals.items())),
        "heads": seen.heads.hexdigest(),
        "archives": seen.archives,
        "files": dict(files),
    }


def _put(put: Callable[[bytes], None], row: Mapping[str, Any]) -> None:
    put(json.dumps(row, separators=(",", ":")).encode() + b"\n")
