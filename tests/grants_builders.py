"""Wallets with grants in the books, and what is asked of them most."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.audit.journal import Actor
from app.db import Database
from app.funding import changes, expiring, grants
from app.funding.changes import Change, Funded, Reversal
from app.funding.expiring import Moved
from app.funding.grants import Grace
from app.ledger import store as ledger_store
from app.ledger.burndown import Credit
from app.ledger.credit import store
from app.ledger.credit import writer as credit_writer
from app.ledger.credit.models import Grant
from app.ledger.credit.monthly import Monthly

from books import NANO
from rerating_builders import Shop

ACTOR = Actor("alice", "cli")


@dataclass
class Purse:
    """A shop whose users are given credit. Amounts are whole units of the currency."""

    db: Database
    now: datetime
    shop: Shop = field(init=False)
    keys: int = 0
    monthly: dict[int, Monthly] = field(default_factory=dict)
    """What users (by place) are given this month."""

    def __post_init__(self) -> None:
        self.shop = Shop(self.db, self.now)

    def id(self, user: int = 0) -> int:
        return self.shop.stage.user_ids[user]

    def at(self, hours: float) -> datetime:
        return self.now + timedelta(hours=hours)

    def change(self, verb: str, amount: float, *, user: int = 0, after: float = 0) -> Funded:
        self.keys += 1
        change = Change(self.id(user), int(amount * NANO), "CNY", verb, f"k{self.keys}", True)
        return getattr(changes, verb)(self.db, change, actor=ACTOR, now=self.at(after))

    def grant(
        self,
        amount: float,
        until: float | None = None,
        *,
        user: int = 0,
        after: float = 0,
        **more: Any,
    ) -> int:
        """Credit until so many hours from now; the transaction."""
        self.keys += 1
        expires_at = None if until is None else self.at(until)
        key = more.pop("key", f"k{self.keys}")
        grace = Grace(self.id(user), int(amount * NANO), "CNY", "welcome", key, expires_at, **more)
        return grants.grant(self.db, grace, actor=ACTOR, now=self.at(after)).transaction_id

    def revoke(self, transaction: int, *, after: float = 0) -> grants.Revoked:
        return grants.revoke(
            self.db, transaction, reason="by mistake", actor=ACTOR, now=self.at(after)
        )

    def ask(self, cost: float, *, user: int = 0, after: float = 0) -> int:
        """An answer of that charge; its transaction."""
        version = min((key for key in self.shop.versions if key), default=None)
        name = self.shop.answer(version, user=user, points=cost, after=int(after * 60))
        return self.shop.transaction(name, user)

    def reverse(self, transaction: int, *, after: float = 0) -> Funded:
        self.keys += 1
        reversal = Reversal(transaction, "broken answer", f"k{self.keys}", True)
        return changes.reverse(self.db, reversal, actor=ACTOR, now=self.at(after))

    def expire(self, after: float, *, batches: int = 9) -> list[Moved]:
        def renewals(session: Any, user_ids: Any) -> dict[int, Monthly]:
            due = {self.id(user): monthly for user, monthly in self.monthly.items()}
            return {user_id: due[user_id] for user_id in user_ids if user_id in due}

        return list(
            expiring.expire(
                self.db, currency="CNY", renewals=renewals, now=self.at(after), batches=batches
            )
        )

    def catch_up(self) -> None:
        expiring.catch_up(self.db, currency="CNY", now=self.now, batches=9)

    def credit(self, user: int = 0) -> Credit:
        """As whoever looks is told it; compared with what the whole chain says."""
        with self.db.read() as session:
            wallet = ledger_store.find_account(session, self.id(user))
            found = credit_writer.load(session, wallet)
            checkpoint = store.find_checkpoint(session, wallet.id)
            whole = credit_writer.replay(session, wallet.id, first=checkpoint.first)
            assert (found.sequence, found.balance, found.open) == (
                whole.sequence,
                whole.balance,
                whole.open,
            )
            return found

    def left(self, user: int = 0) -> list[float]:
        """What is left of each open grant, in the order they were given, then paid credit."""
        credit = self.credit(user)
        amounts = [credit.open[number].remaining for number in sorted(credit.open)]
        return [amount / NANO for amount in [*amounts, credit.paid]]

    def rows(self, user: int = 0) -> list[Grant]:
        with self.db.read() as session:
            wallet = ledger_store.find_account(session, self.id(user))
            return list(store.list_of_wallet(session, wallet.id))
