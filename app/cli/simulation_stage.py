"""Where a simulated run plays: a link and a plan of its own, and new visitors with credit."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from app.cli.session import Desk
from app.funding import changes
from app.funding.changes import Change
from app.ledger import store as ledger_store
from app.limits import VisitorLimits
from app.links import addresses
from app.links import commands as link_commands
from app.links import store as link_store
from app.links.commands import LinkSpec
from app.links.models import Link
from app.metering import store as metering_store
from app.metering.store import UserTotals
from app.money import EXACT, NANO, from_nano
from app.plans import commands as plan_commands
from app.plans import store as plan_store
from app.plans.commands import PlanSpec
from app.plans.models import Plan
from app.pricing import store as pricing_store
from app.pricing.book import DEFAULT_BOOK, PriceBook
from app.simulator.books import Booked
from app.simulator.fastgpt import Visitor
from app.simulator.payloads import Rates
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL
from app.users import commands as user_commands
from app.users.commands import UserSpec

NAME = "simulation"
"""Of the link and of the plan; both stay, so that an operator can set limits on them."""
CREDIT = 1_000_000 * NANO
TOKEN_TTL_S = 24 * 3600
_NONE_USED = UserTotals(0, 0, 0)
_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - read here, never bound


@dataclass(frozen=True, slots=True)
class Stage:
    """One run's visitors, and how to read what the ledger says of them."""

    desk: Desk
    link_key: str
    rates: Rates
    visitors: tuple[Visitor, ...]
    user_ids: Mapping[str, int]

    def root_url(self, base_url: str | None) -> str:
        """The link's root URL: at the service's own host and port, or where ``base_url`` says."""
        if base_url is not None:
            return addresses.root_url(base_url.split("/l/")[0], self.link_key)
        service = self.desk.settings.service
        host = _THIS_MACHINE.get(service.host, service.host)
        return addresses.root_url(f"http://{host}:{service.port}", self.link_key)

    def read_ledger(self, subjects: Sequence[str]) -> dict[str, Booked]:
        """What usage events and wallets say of each subject, as of one moment."""
        ids = {subject: self.user_ids[subject] for subject in subjects}
        with self.desk.db.read() as session:
            totals = metering_store.user_totals(session, ids.values())
            return {
                subject: _booked(session, user_id, totals.get(user_id, _NONE_USED))
                for subject, user_id in ids.items()
            }


def build(desk: Desk, visitor_count: int) -> Stage:
    """Make link and plan where they are missing, and visitors with credit and a token each."""
    run_name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    with desk.change() as session:
        plan = _ensure_plan(desk, session)
        link, key = _ensure_link(desk, session)
        rates = _rates(desk, session, link, plan)
        user_ids = {
            subject: _create_user(desk, session, subject, plan.id)
            for subject in (f"{NAME}-{run_name}-{number}" for number in range(visitor_count))
        }
        visitors = tuple(
            Visitor(subject, _mint(desk, session, user_id, link.id))
            for subject, user_id in user_ids.items()
        )
    for subject, user_id in user_ids.items():
        _give_credit(desk, subject, user_id)
    return Stage(desk, key, rates, visitors, user_ids)


def _ensure_plan(desk: Desk, session: Session) -> Plan:
    """Without any limit: a run shall measure the service, not be held back by it."""
    known = plan_store.find_by_name(session, NAME)
    if known is not None:
        return known
    spec = PlanSpec(name=NAME, limits=VisitorLimits())
    return plan_commands.create(session, spec, actor=desk.actor, now=desk.now)


def _ensure_link(desk: Desk, session: Session) -> tuple[Link, str]:
    known = link_store.find_by_name(session, NAME)
    if known is None:
        made = link_commands.create(
            session, LinkSpec(name=NAME), keys=desk.keys, actor=desk.actor, now=desk.now
        )
        return made.link, made.key
    return known, link_commands.show_key(session, known, keys=desk.keys, now=desk.now)


def _create_user(desk: Desk, session: Session, subject: str, plan_id: int) -> int:
    issuer = token_store.get_issuer(session, LOCAL)
    spec = UserSpec(issuer_id=issuer.id, subject=subject, plan_id=plan_id)
    uid = desk.keys.uid(LOCAL, subject)
    return user_commands.create(session, spec, uid=uid, actor=desk.actor, now=desk.now).id


def _mint(desk: Desk, session: Session, user_id: int, link_id: int) -> str:
    spec = MintSpec(user_id=user_id, link_id=link_id, ttl_s=TOKEN_TTL_S, label=NAME)
    return token_commands.mint(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now).text


def _give_credit(desk: Desk, subject: str, user_id: int) -> None:
    change = Change(
        user_id=user_id,
        amount=CREDIT,
        currency=desk.settings.billing.currency,
        reason="credit for a simulated visitor",
        idempotency_key=f"{subject}:credit",
    )
    funded = changes.top_up(desk.db, change, actor=desk.actor, now=desk.now)
    desk.gate.set_balance(user_id, funded.balance, funded.version)


def _rates(desk: Desk, session: Session, link: Link, plan: Plan) -> Rates:
    version = pricing_store.find_in_force(session, desk.now)
    book = DEFAULT_BOOK if version is None else pricing_store.book_of(version)
    multiplier = EXACT.multiply(from_nano(link.price_multiplier), from_nano(plan.price_multiplier))
    return Rates(desk.settings.metering.points_per_price_unit, _charge_per_point(book, multiplier))


def _charge_per_point(book: PriceBook, multiplier: Decimal) -> Decimal | None:
    """What a point costs, when nothing but points costs anything; else None."""
    if book.models or book.per_question or book.minimum or book.monthly_allowance:
        return None
    return EXACT.multiply(book.per_point, multiplier)


def _booked(session: Session, user_id: int, used: UserTotals) -> Booked:
    wallet = ledger_store.find_account(session, user_id)
    spent = 0 if wallet is None else CREDIT - wallet.balance
    return Booked(used.points, used.charge, used.questions, spent)
