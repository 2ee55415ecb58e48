"""What the pages show, each read in one snapshot of the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app import i18n
from app.admission.gate import Periods, Snapshot
from app.admission.periods import periods_at
from app.ledger import store as ledger_store
from app.ledger.redemptions import find as is_of_code
from app.limits import VisitorLimits
from app.links import store as link_store
from app.links.models import Link
from app.metering import store as metering_store
from app.metering.answers import store as answers
from app.metering.answers.store import ModelSum, Place
from app.metering.models import UsageEvent
from app.pagekit import languages
from app.people.credit import CreditStanding, credit_standing
from app.sightings import store as sightings
from app.sightings.store import Wanted
from app.statements import period
from app.statements.period import PeriodStatement
from app.turns.household import plan_of
from app.turns.link_context import PlanContext
from app.users.models import User
from app.visitor import allowances
from app.visitor.access import Visit
from app.visitor.allowances import Allowance, Counters

LATEST = 5
PAGE_ROWS = 30
REFUSALS_SHOWN = 5
REFUSALS_SINCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Wallet:
    """Nano-units of ``currency``. ``held`` is for questions that wait for their answer."""

    balance: int
    held: int
    currency: str
    credit: int | None
    """How far it may go below zero; None is without end."""
    standing: CreditStanding


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A chat that is open to the visitor, with its limits where they are not the usual ones."""

    id: int
    name: str
    allowances: Sequence[Allowance]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; nano-points and nano-units."""

    at: datetime
    models: tuple[str, ...]
    link: str
    app_name: str | None
    points: int
    charge: int
    reference: str


@dataclass(frozen=True, slots=True)
class AnswerPage:
    items: Sequence[Answer]
    next: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A question or a visit that was refused, and what was said then."""

    at: datetime
    link: str
    said: str
    reference: str


@dataclass(frozen=True, slots=True)
class Home:
    name: str
    wallet: Wallet
    links: Sequence[OpenLink]
    form_targets: frozenset[str]
    """Where the links' buttons lead, for the content security policy."""
    allowances: Sequence[Allowance]
    models: Sequence[ModelSum]
    summed_max: int | None
    """So many of the last answers are in ``models``, when there are more; None: all are."""
    latest: Sequence[Answer]
    refusals: Sequence[Refused]
    credited: int | None
    """What the code was worth that has just been redeemed."""


@dataclass(frozen=True, slots=True)
class Month:
    """A statement, and the months beside it where there can be something."""

    shown: str
    previous: str | None
    next: str | None
    statement: PeriodStatement
    currency: str


def home(here: Visit, *, redeemed: int | None) -> Home:
    """The first page. ``redeemed`` names the transaction of a code, to say what it was worth."""
    periods = periods_at(here.now, here.settings.zone)
    held = here.runtime.gate.snapshot(here.given.user_id, 0)
    with here.db.read() as session:
        user = here.user(session)
        plan = plan_of(here.household, user)
        counters = _counters(session, user, periods, held)
        rows = link_store.list_all(session)
        usual = plan.limits.overridden_by(VisitorLimits.model_validate(user.limits))
        links = [
            OpenLink(row.id, row.name, _own_allowances(row, plan, user, counters, periods, usual))
            for row in rows
            if here.given.opens(row)
        ]
        names = {row.id: row for row in rows}
        since, until = periods.month.starts_at, periods.month.ends_at
        return Home(
            name=user.name or "",
            wallet=_wallet(here, session, user, plan, held),
            links=links,
            form_targets=frozenset(_origin(names[link.id].share_url) for link in links) - {""},
            allowances=allowances.of(usual, counters, periods),
            models=answers.sum_by_model(session, user.id, since=since, until=until),
            summed_max=answers.EVENTS_SUMMED_MAX
            if answers.exceeds_sum(session, user.id, since=since, until=until)
            else None,
            latest=_answers(
                session,
                answers.list_page(session, user.id, after=None, limit=LATEST),
                names,
            ),
            refusals=_refusals(here, session, user, names),
            credited=_credited(session, user, redeemed),
        )


def usage(here: Visit, after: Place | None) -> AnswerPage:
    """A page of the visitor's answers."""
    with here.db.read() as session:
        user = here.user(session)
        rows = answers.list_page(session, user.id, after=after, limit=PAGE_ROWS + 1)
        page = rows[:PAGE_ROWS]
        names = {row.id: row for row in link_store.list_all(session)}
        return AnswerPage(
            items=_answers(session, page, names),
            next=place_text(page[-1]) if len(rows) > PAGE_ROWS else None,
        )


def statement(here: Visit, month: str | None, before: int | None) -> Month:
    """A month's statement: this month's, or that of ``2026-11``; no month before the user's."""
    zone = here.settings.zone
    present = periods_at(here.now, zone)
    chosen = _month(here, month) or present
    with here.db.read() as session:
        user = here.user(session)
        found = period.load_period(
            session,
            user.id,
            since=chosen.month.starts_at,
            until=chosen.month.ends_at,
            before=before,
            limit=PAGE_ROWS,
            now=here.now,
        )
        created_at = user.created_at
    earlier = periods_at(chosen.month.starts_at - timedelta(seconds=1), zone)
    later = periods_at(chosen.month.ends_at, zone)
    has_earlier = earlier.month.ends_at > created_at
    has_later = later.month.starts_at <= present.month.starts_at
    return Month(
        shown=_month_text(chosen),
        previous=_month_text(earlier) if has_earlier else None,
        next=_month_text(later) if has_later else None,
        statement=found,
        currency=here.settings.billing.currency,
    )


def place_text(event: UsageEvent) -> str:
    """An answer's place, for an address."""
    return f"{event.received_at.isoformat()}~{event.id}"


def place_of(text: str | None) -> Place | None:
    """The place in an address; None, the beginning, for what is none."""
    at, _, number = (text or "").partition("~")
    if not (number.isascii() and number.isdigit() and len(number) <= 18):  # noqa: PLR2004 - a BIGINT
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    is_usable = moment.tzinfo is not None and 1970 < moment.year < 9999  # noqa: PLR2004
    return Place(moment, int(number)) if is_usable else None


def _month(here: Visit, text: str | None) -> Periods | None:
    """The periods of a month that is not to come; None for what is no such month."""
    try:
        first = datetime.strptime(text or "", "%Y-%m").replace(tzinfo=here.settings.zone)
    except ValueError:
        return None
    if not 1970 < first.year < 9999 or first > here.now:  # noqa: PLR2004
        return None
    return periods_at(first + timedelta(days=1), here.settings.zone)


def _month_text(periods: Periods) -> str:
    return f"{periods.month_begins_on:%Y-%m}"


def _wallet(
    here: Visit, session: Session, user: User, plan: PlanContext, held: Snapshot | None
) -> Wallet:
    account = ledger_store.find_account(session, user.id)
    return Wallet(
        balance=0 if account is None else account.balance,
        held=0 if held is None else held.visitor_hold,
        currency=here.settings.billing.currency if account is None else account.currency,
        credit=plan.credit_limit,
        standing=credit_standing(session, user.id, here.now),
    )


def _counters(session: Session, user: User, periods: Periods, held: Snapshot | None) -> Counters:
    return Counters(
        day=metering_store.user_day(session, user.id, periods.today),
        month_points=metering_store.user_points_since(session, user.id, periods.month_begins_on),
        held=held,
    )


def _own_allowances(
    link: Link,
    plan: PlanContext,
    user: User,
    counters: Counters,
    periods: Periods,
    usual: VisitorLimits,
) -> Sequence[Allowance]:
    on_link = plan.limits.overridden_by(VisitorLimits.model_validate(link.visitor_limits))
    limits = on_link.overridden_by(VisitorLimits.model_validate(user.limits))
    return () if limits == usual else allowances.of(limits, counters, periods)


def _answers(
    session: Session, events: Sequence[UsageEvent], links: dict[int, Link]
) -> list[Answer]:
    lines = metering_store.load_lines(session, {event.id: event.received_at for event in events})
    return [
        Answer(
            at=event.received_at,
            models=tuple(dict.fromkeys(line.model for line in lines[event.id] if line.model)),
            link=links[event.link_id].name if event.link_id in links else "",
            app_name=event.app_name,
            points=event.points,
            charge=event.charge,
            reference=event.reference,
        )
        for event in events
    ]


def _refusals(
    here: Visit, session: Session, user: User, links: dict[int, Link]
) -> Sequence[Refused]:
    wanted = Wanted(uid=user.uid, since=here.now - REFUSALS_SINCE)
    found = []
    for row in sightings.list_page(session, wanted, limit=REFUSALS_SHOWN):
        link = links.get(row.link_id or 0)
        own = {} if link is None else link.messages
        said = i18n.sentence(row.code, languages.current(), row.details, own, here.runtime.messages)
        found.append(Refused(row.at, "" if link is None else link.name, said, row.reference))
    return found


def _credited(session: Session, user: User, transaction_id: int | None) -> int | None:
    """What a code was worth; None unless the transaction is one, of this user."""
    if transaction_id is None:
        return None
    row = ledger_store.find_transaction(session, transaction_id)
    wallet = ledger_store.find_account(session, user.id)
    is_theirs = row is not None and wallet is not None and row.wallet_id == wallet.id
    return row.amount if row is not None and is_theirs and is_of_code(row.details) else None


def _origin(share_url: str | None) -> str:
    """What a content security policy calls the place; empty for what it could not."""
    parts = urlsplit(share_url or "")
    is_plain = all(
        letter.isascii() and (letter.isalnum() or letter in ".-:[]") for letter in parts.netloc
    )
    return f"{parts.scheme}://{parts.netloc}" if is_plain and parts.netloc else ""
