"""What operators did beside months of chats: plans, prices, departments, closings, deliveries."""

import functools
import random
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from app.admission.periods import periods_at
from app.audit.journal import Actor
from app.background import export, handlers
from app.background.periodic import enqueue_at
from app.cli.session import Desk
from app.closings import closing
from app.closings.months import window
from app.closings.ordering import order_of
from app.codes import commands as code_commands
from app.codes.commands import BatchSpec
from app.deliveries import destination_commands
from app.deliveries.destination_commands import DestinationSpec
from app.funding import expiring, grants
from app.funding.grants import Grace
from app.ledger import writer
from app.ledger.credit.monthly import Monthly, give_monthly
from app.money import NANO
from app.people.monthly import monthly_credit
from app.plans import commands as plan_commands
from app.plans import store as plan_store
from app.plans.commands import PlanSpec
from app.pricing import commands as price_commands
from app.pricing import store as price_store
from app.pricing.book import PriceBook
from app.pricing.commands import PriceSpec
from app.saved_views import commands as view_commands
from app.saved_views.commands import Owner, ViewSpec
from app.schedules import commands as schedule_commands
from app.schedules import running
from app.schedules.commands import By, ScheduleSpec
from app.schedules.kinds import KINDS
from app.tokens.issuers import parse_configured
from app.users import commands as user_commands
from app.users.models import User
from app.users.profile import Profile
from sqlalchemy.orm import Session

DEPARTMENTS = ("Customer care", "Sales", "Research", "Legal", "财务部", "市场部")
STAFF = "staff"
VIEWS = {
    "Departments and models": "by=attribute%3Adepartment&by=model&sort=charge",
    "Links by day": "by=link&per=day&sort=charge",
}
FINANCE = Actor("finance", "cli")
BATCHES_MAX = 1000


def prepare(desk: Desk, since: datetime) -> None:
    """What was there before the first question: a plan with credit, and prices with their cost."""
    with desk.change() as session:
        if plan_store.find_by_name(session, STAFF) is not None:
            return
        spec = PlanSpec(name=STAFF, monthly_credit=Decimal(60))
        plan_commands.create(session, spec, actor=desk.actor, now=since)
        _publish(session, desk, since)
        _publish(session, desk, desk.now)  # over those that the first start has published


def _publish(session: Session, desk: Desk, at: datetime) -> None:
    """As at that time: whatever is published later takes over from it then."""
    book = PriceBook(currency=desk.settings.billing.currency, cost_per_point=Decimal("0.62"))
    found = price_store.find_in_force(session, at)
    if found is None or found.digest != book.digest():
        prices = PriceSpec(book=book, note="with what a point costs us")
        price_commands.publish(session, prices, currency=book.currency, actor=FINANCE, now=at)


def employ(rng: random.Random, user: User) -> None:
    """A department and an address, as an issuer would say them."""
    department = rng.choices(DEPARTMENTS, range(len(DEPARTMENTS), 0, -1))[0]
    attributes = {"department": department, "email": f"{user.subject}@example.com"}
    user_commands.refresh(user, Profile(attributes=attributes))


class Calendar:
    """What a running service does beside answers: finishes alone give and end no credit.

    Nothing is admitted here, so whoever asks is given the month's credit of their plan as the gate
    would have them; and what is over is ended day by day, as the worker does.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._configured = parse_configured(desk.settings.issuers)
        self._day: date | None = None
        self._came: set[tuple[int, date]] = set()

    def go_on(self, user_id: int, moment: datetime) -> None:
        """Somebody asks at that moment, which is not before the last."""
        periods = periods_at(moment, self._desk.settings.zone)
        if periods.today != self._day:
            self._day = periods.today
            self._expire(moment)
        if (user_id, periods.month_begins_on) not in self._came:
            self._came.add((user_id, periods.month_begins_on))
            self._welcome(user_id, moment)

    def _expire(self, moment: datetime) -> None:
        currency = self._desk.settings.billing.currency
        renewals = functools.partial(self._monthly, moment=moment)
        for _ in expiring.expire(
            self._desk.db, currency=currency, renewals=renewals, now=moment, batches=BATCHES_MAX
        ):
            pass

    def _welcome(self, user_id: int, moment: datetime) -> None:
        with self._desk.db.begin() as session:
            for monthly in self._monthly(session, [user_id], moment=moment).values():
                currency = self._desk.settings.billing.currency
                wallet = writer.lock_wallet(session, user_id, currency=currency, now=moment)
                give_monthly(session, wallet, monthly, now=moment)

    def _monthly(
        self, session: Session, user_ids: Collection[int], *, moment: datetime
    ) -> dict[int, Monthly]:
        zone = self._desk.settings.zone
        return monthly_credit(session, user_ids, configured=self._configured, zone=zone, now=moment)


def give(desk: Desk, user_ids: Sequence[int], moment: datetime, days: int) -> None:
    """Credit that expires."""
    for user_id in user_ids:
        grace = Grace(
            user_id=user_id,
            amount=40 * NANO,
            currency=desk.settings.billing.currency,
            reason="for trying the new assistant",
            idempotency_key=f"history:grant:{user_id}:{moment:%Y-%m-%d}",
            expires_at=moment + timedelta(days=days),
        )
        grants.grant(desk.db, grace, actor=FINANCE, now=moment)


def keep_books(desk: Desk, months: Sequence[int]) -> None:
    """Close months, send reports to a directory, have an export made, print codes."""
    for month in months:
        order = order_of(
            desk.settings, month, actor=FINANCE, now=desk.now, reason="the month is over"
        )
        for _ in closing.close(desk.db, order):
            pass
    destination = _destination(desk)
    _schedules(desk, destination)
    if months:
        _export(desk, months[-1])
    with desk.change() as session:
        batch = BatchSpec(
            name=f"autumn fair {desk.now:%Y-%m-%d %H%M%S}",
            amount=20 * NANO,
            currency=desk.settings.billing.currency,
            count=40,
        )
        code_commands.create(session, batch, keys=desk.keys, actor=FINANCE, now=desk.now)


def _destination(desk: Desk) -> int:
    with desk.change() as session:
        spec = DestinationSpec(name="finance-share", kind="directory", path="finance/usage")
        added = destination_commands.add(
            session, spec, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        return added.destination.id


def _schedules(desk: Desk, destination_id: int) -> None:
    by = By(FINANCE, FINANCE.name, desk.now)
    enqueue = enqueue_at(desk.now)
    with desk.change() as session:
        for (name, query), every in zip(VIEWS.items(), ("month", "week"), strict=True):
            view = view_commands.create(
                session,
                ViewSpec(page="usage", name=name, query=query, is_shared=True),
                owner=Owner(FINANCE.name),
                now=desk.now,
            )
            spec = ScheduleSpec.model_validate(
                {
                    "name": name,
                    "kind": "report",
                    "every": every,
                    "destination_ids": [destination_id],
                    "parameters": {"view_id": view.id, "locale": "en"},
                }
            )
            schedule = schedule_commands.add(session, spec, kinds=KINDS, by=by)
            running.run_now(session, schedule, enqueue=enqueue, kinds=KINDS, by=by)


def _export(desk: Desk, month: int) -> None:
    span = window(month, desk.settings.zone)
    asked = export.Parameters(
        table="lines", format="parquet", since=span.starts_at, until=span.ends_at
    )
    with desk.change() as session:
        handlers.enqueue(session, export.KIND, asked, actor=FINANCE, now=desk.now)
