"""A house whose months are closed: users with departments, what they used and paid, closings."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from app.audit.journal import Actor
from app.closings import checking, closing, content, store
from app.closings.closing import Order
from app.closings.months import window
from app.funding import changes, expiring, grants
from app.funding.changes import Reversal
from app.ledger import reratings
from app.ledger import store as ledger_store
from app.ledger.credit.monthly import Monthly, give_monthly
from app.ledger.credit.store import find_checkpoint
from app.ledger.credit.writer import Gift, give, replay
from app.ledger.grants import Terms
from app.ledger.models import Transaction
from app.ledger.reratings import Price, Rerating
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of
from app.plans.models import Plan
from app.reports.rollup import follow
from app.users.models import User

from books import make_link, make_users

NANO = 10**9
ZONE = ZoneInfo("Asia/Shanghai")
ACTOR = Actor("finance", "cli")


def at(day: str, clock: str = "12:00") -> datetime:
    """A time by the operator's clock, such as ``at("2026-11-03")``."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZONE).astimezone(UTC)


def _plan(name, now):
    return Plan(name=name, limits={}, credit_limit=None, price_multiplier=NANO, created_at=now)


class House:
    """Books on a fresh database. Amounts are nano-units."""

    def __init__(self, db, *, users=2, departments=(), links=("support", "sales")):
        self.db = db
        self._numbers = itertools.count(1)
        early = at("2026-01-01")
        with db.begin() as session:
            self.users = make_users(session, early, users)
            for user_id, department in zip(self.users, departments, strict=False):
                if department:
                    session.get(User, user_id).attributes = {"department": department}
            self.links = [make_link(session, early, name) for name in links]

    def answer(self, user, when, lines, *, link=0, extra=0):
        """One answer of models with their charges; ``extra`` is charged without a line."""
        charge = sum(amount for _, amount in lines) + extra
        with self.db.begin() as session:
            return self._answer(session, user, when, lines, link, charge)

    def _answer(self, session, user, when, lines, link, charge):
        key = f"e{next(self._numbers)}"
        event = UsageEvent(
            reference=key,
            idempotency_key=key,
            fingerprint=key,
            link_id=self.links[link],
            user_id=self.users[user],
            received_at=when,
            generation="G5",
            billed_by="token",
            points=charge,
            charge=charge,
            input_tokens=10,
            output_tokens=5,
            node_count=len(lines),
            body_bytes=100,
            warnings={},
            arithmetic={},
        )
        session.add(event)
        session.flush()
        for position, (model, amount) in enumerate(lines):
            session.add(
                UsageLine(
                    event_id=event.id,
                    position=position,
                    received_month=month_of(when),
                    model=model,
                    node_kind="chatNode",
                    points=amount,
                    charge=amount,
                    is_covered=False,
                )
            )
        entry = Entry("charge", -charge, "revenue", key, "fastgpt", event_id=event.id)
        return self._post(session, user, when, entry), key

    def top_up(self, user, when, amount):
        return self.change(user, when, "top_up", amount, "funding")

    def refund(self, user, when, amount):
        return self.change(user, when, "refund", amount, "revenue")

    def adjust(self, user, when, amount):
        return self.change(user, when, "adjustment", amount, "adjustments")

    def reverse(self, when, transaction):
        said = Reversal(transaction, "broken answer", f"k{next(self._numbers)}", True)
        return changes.reverse(self.db, said, actor=ACTOR, now=when).transaction_id

    def grant(self, user, when, amount, until=None, *, priority=50, reason="welcome"):
        """Credit up to ``until``; its transaction."""
        gift = Gift(Terms(until, priority), amount, f"k{next(self._numbers)}", "finance", reason)
        with self.db.begin() as session:
            wallet = lock_wallet(session, self.users[user], currency="CNY", now=when)
            return give(session, wallet, gift, now=when).transaction.id

    def give_monthly(self, user, when, amount, month, *, name="Team"):
        """What the plan gives in the month, such as 202611, once; the transaction, if any."""
        said = f"{month // 100}-{month % 100:02}"
        ends_at = window(month, ZONE).ends_at
        with self.db.begin() as session:
            plan = session.scalar(sa.select(Plan).where(Plan.name == name)) or _plan(name, when)
            session.add(plan)
            session.flush()
            monthly = Monthly(plan.id, name, amount, 50, said, ends_at)
            wallet = lock_wallet(session, self.users[user], currency="CNY", now=when)
            posted = give_monthly(session, wallet, monthly, now=when)
            return None if posted is None else posted.transaction.id

    def revoke(self, when, transaction):
        said = grants.revoke(self.db, transaction, reason="by mistake", actor=ACTOR, now=when)
        return said.lapsed

    def expire(self, now):
        """What is over by then expires, as the worker does it."""
        nothing = lambda *_: {}  # noqa: E731 - no plan gives anew
        return list(expiring.expire(self.db, currency="CNY", renewals=nothing, now=now, batches=99))

    def credit(self, user):
        """The user's credit by the whole chain; None where nothing was granted."""
        with self.db.read() as session:
            wallet = ledger_store.find_account(session, self.users[user])
            first = None if wallet is None else find_checkpoint(session, wallet.id)
            return None if first is None else replay(session, wallet.id, first=first.first)

    def change(self, user, when, kind, amount, account):
        entry = Entry(kind, amount, account, f"k{next(self._numbers)}", "finance", reason="said so")
        with self.db.begin() as session:
            return self._post(session, user, when, entry)

    def rerate(self, user, when, reference, before, after, month="2026-11"):
        said = Rerating(reference, "run", month, Price(None, before, 0), Price(None, after, 0))
        entry = Entry(
            "adjustment",
            said.amount,
            "adjustments",
            reratings.key(reference, 1),
            "finance",
            reason="wrong price",
            details=said.details(),
        )
        with self.db.begin() as session:
            return self._post(session, user, when, entry)

    def _post(self, session, user, when, entry):
        wallet = lock_wallet(session, self.users[user], currency="CNY", now=when)
        return post(session, wallet, entry, now=when).transaction.id

    def order(self, month, now=None, **more):
        after = datetime(month // 100, month % 100, 1, 12, tzinfo=UTC) + timedelta(days=40)
        values = {
            "zone": ZONE,
            "currency": "CNY",
            "department_attribute": "department",
            "grace": timedelta(hours=1),
            "actor": ACTOR,
            "reason": "the month is over",
        }
        return Order(month=month, now=now or after, **(values | more))

    def close(self, month, now=None, **more):
        list(closing.close(self.db, self.order(month, now), **more))
        with self.db.read() as session:
            return store.get(session, month)

    def follow(self):
        """Bring the sums of reports up to date, as the worker does."""
        with self.db.begin() as session:
            assert follow.advance(session, zone=ZONE, now=datetime.now(UTC)).is_done

    def findings(self):
        with self.db.read() as session:
            return [one.code for one in checking.verify(session)]

    def statements(self, month, kind="wallet"):
        """What the statements of a month say, by user's place, or by department."""
        with self.db.read() as session:
            found = list(store.iter_statements(session, month, kind))
        if kind == "department":
            return {one.department: content.read(one.content) for one in found}
        return {self.users.index(one.user_id): content.read(one.content) for one in found}

    def transactions(self):
        with self.db.read() as session:
            return session.scalars(sa.select(Transaction).order_by(Transaction.id)).all()

    def wallet(self, user):
        """The number of the user's wallet; None when they have none."""
        with self.db.read() as session:
            found = ledger_store.find_account(session, self.users[user])
            return None if found is None else found.id
