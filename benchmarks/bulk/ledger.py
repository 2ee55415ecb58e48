"""The ledger behind the events: each answer is charged, and who has too little tops up before.

The links of the chains are written out here, several times as fast as ``app.ledger.chain`` makes
them; now and then one is made by it too, and a difference ends the load.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
from app.ledger import chain
from app.ledger.chain import GENESIS, Head
from app.ledger.transactions import HOUSE_ACCOUNTS, Entry, Record
from app.money import NANO
from app.turns.settle import ACTOR

from bulk.crowd import Crowd, Day
from bulk.rows import QUARTER_US, Batch, always

CURRENCY = "CNY"
TOP_UP = 200 * NANO
TOPPED_UP_BY, TOPPED_UP_WHY = "operator:bench", "paid by card"
COMPARED_EVERY = 5000
REVENUE, FUNDING = (1 + HOUSE_ACCOUNTS.index(name) for name in ("revenue", "funding"))


class LinkDiffers(Exception):
    """What is written out here is not what the service would have made."""


def wallet_id(user_id: int) -> int:
    """The house's accounts are the first; see ``filling``."""
    return len(HOUSE_ACCOUNTS) + user_id


class Ledger:
    """Wallets as they stand after the days that were booked; they are booked in their order."""

    def __init__(self, crowd: Crowd) -> None:
        people = crowd.size.users + 1
        self.top_id = 0
        self._begin = crowd.begin
        self._balances = [0] * people
        self._sequences = [0] * people
        self._heads = [GENESIS] * people

    def rows(self, day: Day) -> Iterator[Batch]:
        book = _Book(self, day)
        yield "ledger_transactions", book.transactions()
        yield "ledger_postings", book.postings()
        if book.topped_up:
            yield "usage_corrections", book.corrections()

    def account_rows(self) -> Batch:
        """The wallets, when all days are booked."""
        people = range(1, len(self._balances))
        return "ledger_accounts", {
            "id": [wallet_id(user) for user in people],
            "name": [f"wallet:{user}" for user in people],
            "kind": always("wallet", len(people)),
            "user_id": list(people),
            "currency": always(CURRENCY, len(people)),
            "balance": self._balances[1:],
            "version": self._sequences[1:],
            "head_hash": self._heads[1:],
            "created_at": np.full(len(people), self._begin.replace(tzinfo=None), "datetime64[us]"),
        }

    def link(self, book: "_Book", user: int, amount: int, time: str, said: "_Said") -> None:
        """Write the next link of the user's chain."""
        asked = (
            f'{{"amount":{amount},"counter_account":"{said.house}","details":{{}},'
            f'"event_id":{said.event},"kind":"{said.kind}","reason":{said.reason},'
            f'"reverses_id":null,"v":1,"wallet":"wallet:{user}"}}'
        )
        input_hash = sha256(asked.encode()).hexdigest()
        words = (
            f'{{"actor":"{said.actor}","details":{{}},"idempotency_key":"{said.key}",'
            f'"input_hash":"{input_hash}","reason":{said.reason}}}'
        )
        previous, balance = self._heads[user], self._balances[user] + amount
        sequence = self._sequences[user] + 1
        fields = (
            f'{{"amount":{amount},"balance_after":{balance},"currency":"{CURRENCY}",'
            f'"event_id":{said.event},"kind":"{said.kind}","posted_at":"{time}Z",'
            f'"postings":[["wallet:{user}",{amount}],["{said.house}",{-amount}]],'
            f'"previous_hash":"{previous}","reverses_id":null,"sequence":{sequence},'
            f'"v":1,"wallet":"wallet:{user}",'
            f'"words_hash":"{sha256(words.encode()).hexdigest()}"}}'
        )
        digest = sha256(fields.encode()).hexdigest()
        self.top_id += 1
        if self.top_id % COMPARED_EVERY == 1:
            head = Head(f"wallet:{user}", CURRENCY, self._balances[user], sequence - 1, previous)
            _compare(head, said, amount, time, (input_hash, digest))
        self._balances[user], self._sequences[user] = balance, sequence
        self._heads[user] = digest
        book.keep(
            self.top_id, user, sequence, amount, balance, said.key, input_hash, previous, digest
        )

    def balance(self, user: int) -> int:
        return self._balances[user]


class _Said:
    """What a link says beside numbers; texts as JSON has them."""

    __slots__ = ("actor", "event", "house", "key", "kind", "reason")

    def __init__(self, kind: str, house: str, key: str, event: str) -> None:
        self.kind, self.house, self.key, self.event = kind, house, key, event
        is_charge = kind == "charge"
        self.actor = ACTOR if is_charge else TOPPED_UP_BY
        self.reason = "null" if is_charge else f'"{TOPPED_UP_WHY}"'


class _Book:
    """The transactions of a day, as columns."""

    def __init__(self, ledger: Ledger, day: Day) -> None:
        self._kept: list[tuple[Any, ...]] = []
        self._places: list[int] = []
        self._charges: list[bool] = []
        self.topped_up = 0
        self._day = day
        self._first_id = ledger.top_id + 1
        times = np.datetime_as_string(day.at, unit="us").tolist()
        asked = zip(
            day.ids.tolist(), day.user_id.tolist(), day.charge.tolist(), times, day.fingerprints,
            strict=True,
        )  # fmt: skip
        for place, (id_, user, charge, time, digest) in enumerate(asked):
            if ledger.balance(user) < charge:
                self._note(place, is_charge=False)
                said = _Said("top_up", "funding", f"topup:{id_}", "null")
                ledger.link(self, user, TOP_UP, time, said)
            self._note(place, is_charge=True)
            said = _Said("charge", "revenue", f"finish:{digest}:1", str(id_))
            ledger.link(self, user, -charge, time, said)

    def _note(self, place: int, *, is_charge: bool) -> None:
        self._places.append(place)
        self._charges.append(is_charge)
        self.topped_up += not is_charge

    def keep(self, *values: Any) -> None:  # noqa: ANN401 - columns of several types
        self._kept.append(values)

    def transactions(self) -> dict[str, Any]:
        names = (
            "id", "wallet_id", "sequence", "amount", "balance_after", "idempotency_key",
            "input_hash", "previous_hash", "hash",
        )  # fmt: skip
        columns: dict[str, Any] = dict(
            zip(names, map(list, zip(*self._kept, strict=True)), strict=True)
        )
        self._amounts = np.array(columns["amount"], np.int64)
        self._wallets = np.array(columns["wallet_id"], np.int64) + wallet_id(0)
        places, charges = np.array(self._places), np.array(self._charges)
        count = len(places)
        events = pa.array(self._day.ids[places], mask=~charges)
        return columns | {
            "wallet_id": self._wallets,
            "amount": self._amounts,
            "kind": pa.array(["top_up", "charge"]).take(pa.array(charges.astype(np.int64))),
            "posted_at": self._day.at[places],
            "event_id": events,
            "reverses_id": always(None, count),
            "reason": pa.array([TOPPED_UP_WHY, None]).take(pa.array(charges.astype(np.int64))),
            "actor": pa.array([TOPPED_UP_BY, ACTOR]).take(pa.array(charges.astype(np.int64))),
            "details": always("{}", count),
        }

    def postings(self) -> dict[str, Any]:
        count = len(self._amounts)
        houses = np.where(self._charges, REVENUE, FUNDING)
        ids = np.arange(self._first_id, self._first_id + count, dtype=np.int64)
        return {
            "transaction_id": np.repeat(ids, 2),
            "position": np.tile(np.array([0, 1], np.int64), count),
            "account_id": np.stack((self._wallets, houses), axis=1).reshape(-1),
            "amount": np.stack((self._amounts, -self._amounts), axis=1).reshape(-1),
        }

    def corrections(self) -> dict[str, Any]:
        """Top-ups, as reports count them."""
        places = np.array(self._places)[~np.array(self._charges)]
        quarters = self._day.at_us[places] // QUARTER_US
        who = np.stack((quarters, self._day.user_id[places]), axis=1)
        found, counts = np.unique(who, axis=0, return_counts=True)
        return {
            "start": found[:, 0],
            "used_start": found[:, 0],
            "user_id": found[:, 1],
            "link_id": np.zeros(len(found), np.int64),
            "kind": always("topped_up", len(found)),
            "transactions": counts,
            "amount": counts * TOP_UP,
        }


def _compare(head: Head, said: _Said, amount: int, time: str, hashes: tuple[str, str]) -> None:
    is_charge = said.kind == "charge"
    entry = Entry(
        kind="charge" if is_charge else "top_up",
        amount=amount,
        counter_account="revenue" if is_charge else "funding",
        idempotency_key=said.key,
        actor=said.actor,
        reason=None if is_charge else TOPPED_UP_WHY,
        event_id=int(said.event) if is_charge else None,
    )
    made: Record = chain.link(
        head, entry, posted_at=datetime.fromisoformat(time).replace(tzinfo=UTC)
    )
    if (made.input_hash, made.hash) != hashes:
        raise LinkDiffers(f"{head.wallet}, transaction {head.sequence + 1}")
