"""Books with answers in them that can be priced again, and what is asked of them most."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.audit.journal import Actor
from app.db import Database
from app.pricing import store as pricing_store
from app.pricing.book import PriceBook
from app.pricing.models import PriceVersion
from app.rerating import apply as booking
from app.rerating.apply import Booked, Order
from app.rerating.preview import Preview, preview
from app.rerating.selection import Selection
from app.statements.statement import StatementEntry, load_statement
from app.turns.price_shelf import PricedBy
from app.turns.settle import Turn, settle_turn

from books import NANO
from turn_builders import RULES, Stage

ACTOR = Actor("alice", "cli")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
YEAR = Selection(SINCE, UNTIL)


@dataclass
class Shop:
    """A stage with price versions: answers are charged by them, and priced again."""

    db: Database
    now: datetime
    stage: Stage = field(init=False)
    versions: dict[int | None, PriceBook] = field(default_factory=lambda: {None: PriceBook()})
    answers: int = 0

    def __post_init__(self) -> None:
        self.stage = Stage(self.db, self.now)

    def publish(self, *, effective_at: datetime = SINCE, **book: Any) -> int:
        """A version of these prices; published however late, as only a test may."""
        made = PriceBook(**book)
        version = PriceVersion(
            effective_at=effective_at,
            document=made.document(),
            digest=made.digest(),
            created_at=self.now,
            created_by="alice",
        )
        with self.db.begin() as session:
            session.add(version)
            session.flush()
            self.versions[version.id] = made
            return version.id

    def answer(
        self, version: int | None, *, user: int = 0, points: object = 2, after: int = 0, **more: Any
    ) -> str:
        """One answer charged by that version, so many minutes after now; its reference."""
        self.answers += 1
        name = more.pop("name", f"answer-{self.answers}")
        turn = self.stage.turn(name, user, points=points, **more)
        at = self.now + timedelta(minutes=after)
        self.settle(replace(turn, received_at=at), version)
        return name

    def settle(self, turn: Turn, version: int | None) -> None:
        """Charge a finish by that version."""
        priced_by = PricedBy(self.versions[version], version)
        with self.db.begin() as session:
            settle_turn(session, replace(turn, priced_by=priced_by), RULES)

    def preview(
        self, target: Any, selection: Selection = YEAR, *, run: str | None = None
    ) -> Preview:
        return preview(self.db, selection, target, zone=RULES.zone, run=run)

    def apply(
        self, target: Any, selection: Selection = YEAR, *, expect: str | None = None
    ) -> list[Booked]:
        found = self.preview(target, selection, run=expect)
        booking.check(found, expect=expect, allow_negative=True)
        order = Order(found.digest, "CNY", "wrong price")
        return list(booking.apply(self.db, found, order, actor=ACTOR, now=self.now))

    def entries(self, user: int = 0) -> list[StatementEntry]:
        """The user's statement, oldest first."""
        page = load_statement(self.db, user_id=self.stage.user_ids[user], limit=1000)
        return list(reversed(page.entries))

    def adjustments(self, user: int = 0) -> list[int]:
        return [one.amount for one in self.entries(user) if one.kind == "adjustment"]

    def balance(self, user: int = 0) -> Decimal:
        return Decimal(self.stage.balance(user)[0]) / NANO

    def allowance_used(self, user: int = 0, month: str = "2026-11") -> Decimal:
        key = (self.stage.user_ids[user], month)
        with self.db.read() as session:
            return Decimal(pricing_store.allowances_used(session, [key]).get(key, 0)) / NANO

    def transaction(self, reference: str, user: int = 0) -> int:
        """The charge of that answer."""
        (found,) = [
            one.transaction
            for one in self.entries(user)
            if one.usage is not None and one.usage.reference == reference
        ]
        return found
