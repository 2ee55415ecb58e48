"""What can be taken away as a file for a month, each kind with the permission it needs.

Every page of a file is read in a transaction of its own and in the order of a key, so a file takes
no memory, and one that is fetched slowly holds up nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.admin.desk import Desk
from app.admin.resources import usage_events
from app.admin.resources.asking import YEAR_MAX, YEAR_MIN
from app.admin.resources.usage import TOKENS
from app.audit.months import store as audit_store
from app.ledger.months import store as ledger_store
from app.links import store as link_store
from app.metering import store as metering_store
from app.metering.months import month_of, month_text, months_from
from app.money import from_nano
from app.pagekit.tables import Cell
from app.reports import store as report_store
from app.reports.events.store import EventFilters, ListedEvent
from app.reports.explore import LinesGone
from app.sightings import store as sighting_store
from app.sightings.store import After, Wanted
from app.users import store as user_store

PAGE = 500

Cells = Sequence[Cell]
Bounds = tuple[datetime, datetime]
TRANSACTION_KINDS = (
    "charge",
    "top_up",
    "redemption",
    "grant",
    "expiry",
    "refund",
    "adjustment",
    "reversal",
)


def _of_our_time(month: str) -> str:
    if not YEAR_MIN <= int(month[:4]) <= YEAR_MAX:
        raise ValueError(f"must be of the years {YEAR_MIN} to {YEAR_MAX}")
    return month


class MonthQuery(BaseModel):
    """Which month, by the service's clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: Annotated[
        str,
        Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", description="Such as 2026-11."),
        AfterValidator(_of_our_time),
    ]
    bom: bool = Field(default=False, description="Begin with a mark by which Excel knows UTF-8.")


@dataclass(frozen=True, slots=True)
class Export:
    """A kind of file. ``rows`` gets the bounds of the month."""

    kind: str
    permission: str
    columns: tuple[str, ...]
    rows: Callable[[Desk, Bounds], Iterator[Cells]]
    check: Callable[[Desk, Bounds], None] | None = None
    """Refuses before the file has begun."""


def bounds(desk: Desk, month: str) -> Bounds:
    zone = desk.settings.zone
    year, number = int(month[:4]), int(month[5:])
    following = (year + 1, 1) if number == 12 else (year, number + 1)  # noqa: PLR2004 - December
    return datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)


def rows(desk: Desk, export: Export, month: str) -> Iterator[Cells]:
    """The rows of the file.

    Raises:
        LinesGone: some of them lie in archives.
    """
    within = bounds(desk, month)
    if export.check is not None:
        export.check(desk, within)
    return export.rows(desk, within)


EVENT_COLUMNS = (
    "reference",
    "received_at",
    "subject",
    "user_name",
    "link",
    "app",
    "chat_id",
    "points",
    "charge",
    "input_tokens",
    "output_tokens",
    "running_time_ms",
    "warnings",
)


def event_cells(event: ListedEvent) -> Cells:
    return (
        event.reference,
        event.received_at,
        event.subject,
        event.user_name,
        event.link_name,
        event.app_name,
        event.chat_id,
        from_nano(event.points),
        from_nano(event.charge),
        event.input_tokens,
        event.output_tokens,
        event.running_time_ms,
        " ".join(event.warnings),
    )


def _events(desk: Desk, within: Bounds) -> Iterator[Cells]:
    for page in usage_events.every(desk, EventFilters(since=within[0], until=within[1])):
        yield from map(event_cells, page)


def _lines(desk: Desk, within: Bounds) -> Iterator[Cells]:
    for page in usage_events.every(desk, EventFilters(since=within[0], until=within[1])):
        with desk.db.read() as session:
            found = metering_store.load_lines(
                session, {event.id: event.received_at for event in page}
            )
        for event in page:
            for line in found[event.id]:
                yield (
                    event.reference,
                    event.received_at,
                    event.subject,
                    event.link_name,
                    event.app_name,
                    line.position,
                    line.model,
                    line.node_kind,
                    *(getattr(line, name) for name in TOKENS),
                    from_nano(line.points),
                    from_nano(line.charge),
                )


def _refuse_archived(desk: Desk, within: Bounds) -> None:
    with desk.db.read() as session:
        removed = report_store.removed_months(session)
    touched = set(months_from(month_of(within[0]), month_of(within[1])))
    if gone := sorted(touched & removed):
        months = ", ".join(month_text(month) for month in gone)
        raise LinesGone(
            f"usage lines of {months} lie in archives: `shareauth archives restore` puts them back"
        )


def _postings(desk: Desk, within: Bounds) -> Iterator[Cells]:
    since, until = within
    after: tuple[datetime, int] | None = None
    while True:
        with desk.db.read() as session:
            page = ledger_store.list_posted(
                session, since=since, until=until, after=after, limit=PAGE
            )
        if not page:
            return
        for side in page:
            yield (
                side.transaction_id,
                side.posted_at,
                side.kind,
                side.wallet,
                side.sequence,
                side.account,
                side.currency,
                from_nano(side.amount),
                from_nano(side.balance_after),
                side.event_id,
                side.reverses_id,
                side.reason,
                side.actor,
            )
        after = (page[-1].posted_at, page[-1].transaction_id)


def _statements(desk: Desk, within: Bounds) -> Iterator[Cells]:
    since, until = within
    last = 0
    while True:
        with desk.db.read() as session:
            wallets = ledger_store.list_wallets(session, after_id=last, limit=PAGE)
            months = ledger_store.wallet_months(session, wallets, since=since, until=until)
            people = user_store.load_by_ids(session, [wallet.user_id or 0 for wallet in wallets])
        for wallet in wallets:
            user, month = people[wallet.user_id or 0], months[wallet.id]
            yield (
                user.uid,
                user.subject,
                user.name,
                wallet.currency,
                from_nano(month.opening),
                *(from_nano(month.moved.get(kind, 0)) for kind in TRANSACTION_KINDS),
                from_nano(month.closing),
            )
        if len(wallets) < PAGE:
            return
        last = wallets[-1].id


def _refusals(desk: Desk, within: Bounds) -> Iterator[Cells]:
    wanted = Wanted(since=within[0], until=within[1], link_ids=desk.caller.link_ids)
    with desk.db.read() as session:
        names = {link.id: link.name for link in link_store.list_all(session)}
    after: After | None = None
    while True:
        with desk.db.read() as session:
            page = sighting_store.list_page(session, wanted, limit=PAGE, after=after)
        for one in page:
            link = None if one.link_id is None else names.get(one.link_id)
            told = (one.code, one.message, link, one.uid, one.issuer, one.subject)
            yield (one.reference, one.at, one.hook, *told, one.address, one.called)
        if len(page) < PAGE:
            return
        after = After(page[-1].at, page[-1].id)


def _audit(desk: Desk, within: Bounds) -> Iterator[Cells]:
    since, until = within
    after: tuple[datetime, int] | None = None
    while True:
        with desk.db.read() as session:
            page = audit_store.list_between(
                session, since=since, until=until, after=after, limit=PAGE
            )
        for one in page:
            changed = (one.action, one.object_type, one.object_id, one.before, one.after)
            yield (one.id, one.at, one.actor, one.source, one.address, *changed, one.reason)
        if len(page) < PAGE:
            return
        after = (page[-1].at, page[-1].id)


_LINE_COLUMNS = ("reference", "received_at", "subject", "link", "app", "position", "model")
_POSTING_COLUMNS = ("transaction", "posted_at", "kind", "wallet", "sequence", "account", "currency")
_STATEMENT_COLUMNS = ("uid", "subject", "name", "currency", "opening_balance")
_REFUSAL_COLUMNS = ("reference", "at", "hook", "code", "message", "link", "uid", "issuer")
_AUDIT_COLUMNS = ("id", "at", "actor", "source", "address", "action", "object_type", "object_id")

EXPORTS: Mapping[str, Export] = {
    export.kind: export
    for export in (
        Export("events", "usage:read", EVENT_COLUMNS, _events),
        Export(
            "lines",
            "usage:read",
            (*_LINE_COLUMNS, "node_kind", *TOKENS, "points", "charge"),
            _lines,
            _refuse_archived,
        ),
        Export(
            "postings",
            "ledger:read",
            (*_POSTING_COLUMNS, "amount", "balance_after", "event", "reverses", "reason", "actor"),
            _postings,
        ),
        Export(
            "statements",
            "wallets:read",
            (*_STATEMENT_COLUMNS, *TRANSACTION_KINDS, "closing_balance"),
            _statements,
        ),
        Export(
            "refusals",
            "refusals:read",
            (*_REFUSAL_COLUMNS, "subject", "address", "called"),
            _refusals,
        ),
        Export("audit", "audit:read", (*_AUDIT_COLUMNS, "before", "after", "reason"), _audit),
    )
}
"""By kind."""
