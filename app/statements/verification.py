"""Whether the books are right: the ledger in itself, and against the usage events and rollups."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.closings import checking as closings
from app.db import Database
from app.ledger import reratings
from app.ledger import verify as ledger_verify
from app.ledger.credit import checking as credit
from app.ledger.transactions import HOUSE_ACCOUNTS
from app.ledger.verify import Finding, Tally
from app.money import format_nano
from app.pricing import store as pricing_store
from app.pricing.standing import standing_price
from app.statements import store
from app.statements.redemptions import checking as redemptions
from app.statements.shelf import Shelf
from app.statements.store import DaySums, EventFacts

CODES = (
    *ledger_verify.CODES,
    "event_not_charged",
    "charge_differs",
    "charged_to_another",
    "charged_at_another_time",
    "lines_differ",
    "archive_differs",
    "charge_without_event",
    "rerating_without_event",
    "rerating_differs",
    *redemptions.CODES,
    *credit.CODES,
    "rollup_differs",
    *closings.CODES,
)
"""Of every finding there is."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings, and what was looked at.

    ``sums`` are nano-units: the balances of ``wallets`` and of each of the house's accounts
    (together zero), and the ``points`` and ``charged`` of all events.

    ``is_truncated``: there are more findings than were asked for.
    """

    findings: tuple[Finding, ...]
    is_truncated: bool
    wallets: int
    transactions: int
    events: int
    sums: Mapping[str, int]
    heads: str

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "findings": [finding.as_json() for finding in self.findings],
            "is_truncated": self.is_truncated,
            "counts": {
                "wallets": self.wallets,
                "transactions": self.transactions,
                "events": self.events,
            },
            "sums": {name: format_nano(amount) for name, amount in sorted(self.sums.items())},
            "heads": self.heads,
        }


@dataclass(slots=True)
class _Seen:
    step: Callable[[], None]
    events: int = 0
    points: int = 0
    charge: int = 0


def verify(
    db: Database,
    *,
    zone: ZoneInfo,
    since: datetime | None = None,
    findings_max: int = 1000,
    on_step: Callable[[], None] = lambda: None,
) -> Verification:
    """Re-derive everything in one snapshot, in memory that does not grow with the books.

    ``zone`` is the operator's: daily rollups begin by its clock. With ``since`` only what was
    written from then on is looked at; rollups and ``heads`` are not. ``on_step`` is called before
    each wallet and each answer; what it raises ends the work.
    """
    tally, seen = Tally(), _Seen(on_step)
    with db.read() as session:
        found = itertools.chain(
            ledger_verify.verify(session, since=since, tally=tally, on_step=on_step),
            _verify_events(session, seen, Shelf.load(session), zone=zone, since=since),
            _verify_charges(session, since=since, limit=findings_max),
            _verify_reratings(session, since=since),
            redemptions.verify(session, since=since),
            closings.verify(session, on_step=on_step) if since is None else iter(()),
            credit.verify(session, since=since),
        )
        findings = list(itertools.islice(found, findings_max))
        is_truncated = next(found, None) is not None
    accounts = dict.fromkeys(("wallets", *HOUSE_ACCOUNTS), 0) | tally.balances
    return Verification(
        findings=tuple(findings),
        is_truncated=is_truncated,
        wallets=tally.wallets,
        transactions=tally.transactions,
        events=seen.events,
        sums={**accounts, "points": seen.points, "charged": seen.charge},
        heads=tally.heads,
    )


def _verify_events(
    session: Session, seen: _Seen, shelf: Shelf, *, zone: ZoneInfo, since: datetime | None
) -> Iterator[Finding]:
    findings: list[Finding] = []

    def watched() -> Iterator[EventFacts]:
        found = (
            store.iter_events(session) if since is None else store.iter_events_since(session, since)
        )
        for event in found:
            seen.step()
            seen.events += 1
            seen.points += event.points
            seen.charge += event.charge
            volume = shelf.take(
                event.id, event.received_at, points=event.points, charge=event.charge
            )
            findings.extend(_broken_event(event, is_archived=volume is not None))
            yield event

    if since is None:
        for broken in _broken_days(_days(watched(), zone), store.iter_days(session)):
            yield from findings
            findings.clear()
            if broken is not None:
                yield broken
        yield from shelf.findings()
    else:
        for _ in watched():
            yield from findings
            findings.clear()
    yield from findings


def _broken_event(event: EventFacts, *, is_archived: bool) -> Iterator[Finding]:
    where = f"Usage event {event.id}"
    ids = {"event": event.id}
    if event.charged is None:
        yield Finding(
            "event_not_charged",
            f"{where} has no transaction: it was used and never billed. Restore it from a backup.",
            ids,
        )
    elif event.charged != event.charge:
        yield Finding(
            "charge_differs",
            f"{where} says {format_nano(event.charge)}, its transaction "
            f"{format_nano(event.charged)}. Compare both with a backup.",
            ids,
        )
    elif event.charged_user_id != event.user_id:
        yield Finding(
            "charged_to_another",
            f"{where} is of user {event.user_id}, its transaction changed the wallet of user "
            f"{event.charged_user_id}. Compare both with a backup.",
            ids,
        )
    if event.charged_at is not None and event.charged_at != event.received_at:
        yield Finding(
            "charged_at_another_time",
            f"{where} was received at {event.received_at}, its transaction is of "
            f"{event.charged_at}: statements of a day or month may count it in another. "
            "Compare both with a backup.",
            ids,
        )
    lines = (event.line_points, event.line_charge)
    if lines != (event.points, event.charge) and not (is_archived and lines == (0, 0)):
        yield Finding(
            "lines_differ",
            f"{where}: its lines do not add up to its points and its charge. "
            "Compare usage_lines with a backup.",
            ids,
        )


def _verify_charges(session: Session, *, since: datetime | None, limit: int) -> Iterator[Finding]:
    for transaction_id in store.list_charges_without_event(session, since=since, limit=limit):
        yield Finding(
            "charge_without_event",
            f"Transaction {transaction_id} charges a usage event that is missing. "
            "Restore it from a backup.",
            {"transaction": transaction_id},
        )


def _verify_reratings(session: Session, *, since: datetime | None) -> Iterator[Finding]:
    versions = {None, *(version.id for version in pricing_store.list_all(session))}
    for page in store.iter_reratings(session, since=since):
        # Details of another form are a broken rule, which the ledger's own verification finds.
        said = {row.id: one for row, _ in page if (one := reratings.find(row.details)) is not None}
        references = {one.reference for one in said.values()}
        events = store.load_priced_events(session, references)
        booked = pricing_store.load_reratings(session, references)
        for row, user_id in page:
            one = said.get(row.id)
            if one is None:
                continue
            event = events.get(one.reference)
            ids = {"transaction": row.id}
            if event is None:
                yield Finding(
                    "rerating_without_event",
                    f"Transaction {row.id} prices the usage event {one.reference} again, which is "
                    "missing. Restore it from a backup.",
                    ids,
                )
                continue
            stood = standing_price(event.charged, booked[one.reference], at=row.sequence)
            if (
                event.user_id != user_id
                or one.before != stood
                or min(one.after.charge, one.after.allowance) < 0
                or one.after.version not in versions
            ):
                yield Finding(
                    "rerating_differs",
                    f"Transaction {row.id} prices usage event {event.id} again, but not from what "
                    "its user paid for it then, or by prices that nobody published. Compare "
                    "transaction, event and price versions with a backup.",
                    ids | {"event": event.id},
                )


def _days(events: Iterable[EventFacts], zone: ZoneInfo) -> Iterator[DaySums]:
    """What the rollups should be, in their order; events come by user and time."""

    def day_of(event: EventFacts) -> tuple[int, date]:
        return event.user_id, store.day_of(event, zone)

    for (user_id, day), of_day in itertools.groupby(events, key=day_of):
        links: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
        for event in of_day:
            sums = links[event.link_id]
            for place, amount in enumerate(
                (1, event.points, event.charge, event.input_tokens, event.output_tokens)
            ):
                sums[place] += amount
        for link_id in sorted(links):
            yield DaySums(user_id, day, link_id, *links[link_id])


def _broken_days(derived: Iterable[DaySums], stored: Iterable[DaySums]) -> Iterator[Finding | None]:
    """A finding, or None when it is right, for each day of either; both are sorted alike."""
    tagged = heapq.merge(
        ((sums.key, "derived", sums) for sums in derived),
        ((sums.key, "stored", sums) for sums in stored),
        key=lambda entry: entry[:2],
    )
    for key, group in itertools.groupby(tagged, key=lambda entry: entry[0]):
        sides = {side: sums for _, side, sums in group}
        if "stored" not in sides:
            yield _broken_day(key, "has no row")
        elif "derived" not in sides:
            yield _broken_day(key, "has a row, but there are no such events")
        else:
            is_right = sides["derived"] == sides["stored"]
            yield None if is_right else _broken_day(key, "is not what its events add up to")


def _broken_day(key: tuple[int, date, int], what: str) -> Finding:
    user_id, day, link_id = key
    return Finding(
        "rollup_differs",
        f"The daily sum of user {user_id} on link {link_id} on {day} {what}. If "
        "service.time_zone was changed since, that is why; limits count from these sums.",
        {"user": user_id, "link": link_id, "day": day.isoformat()},
    )
