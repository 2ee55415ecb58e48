"""What stands around the books and should agree with them: the gate, prices, what waits.

Nothing here makes a charge wrong by itself. Each finding says what it means and what to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.admission.gate import Gate, Snapshot
from app.admission.micro import floor_micro, from_micro
from app.db import Database
from app.ledger.verify import Finding
from app.metering import store as metering_store
from app.metering.lines import store as lines_store
from app.metering.months import month_text
from app.money import format_nano
from app.reports.proof import check
from app.spool.census import Status
from app.statements import store
from app.statements.store import WalletFacts
from app.unfinished import store as unfinished_store
from app.unfinished.store import Wanted

CODES = (
    "gate_newer",
    "gate_differs",
    "gate_stale",
    "events_unpriced",
    "quarantine_unresolved",
    "turns_unfinished",
    "partitions_missing",
    "lines_astray",
    "reports_differ",
    "reports_behind",
    "spool_waits",
    "spool_aside",
)

GATE_WALLETS_MAX = 1000
"""So many wallets, of those that moved last: what the gate holds of others has expired."""
QUARANTINE_AGE = timedelta(days=1)
SPOOL_AGE = timedelta(minutes=10)
"""The drain looks every second: what waits longer while the database answers is stuck."""
UNFINISHED_MIN = 20
"""Fewer say nothing: FastGPT gives up a question now and then."""
UNFINISHED_SHARE_MAX = 0.2
REPORTS_AGE = timedelta(days=2)
"""How far back the sums of reports are compared when everything is looked at."""
GATE_SLACK = timedelta(minutes=1)
"""Clocks differ, and a finish tells the gate after it is in the books."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is compared with the books.

    ``reload`` is how old a balance in the gate may be (``admission.reload_s``). ``spool`` is of
    this machine; each has its own.
    """

    gate: Gate
    reload: timedelta
    spool: Status
    zone: ZoneInfo


def audit(
    db: Database, around: Surroundings, *, since: datetime | None, now: datetime
) -> Iterator[Finding]:
    """Everything that stands out; of events only those written from ``since`` on.

    A gate that does not answer is left out: it has metrics of its own, and loads anew.
    """
    yield from _gate(db, around, now)
    with db.read() as session:
        yield from _unpriced(session, since)
        yield from _quarantine(session, now)
        yield from _unfinished(session, around.zone, now)
        yield from _partitions(session, now)
        yield from _reports(session, since or now - REPORTS_AGE, now)
    yield from _spool(around.spool, now)


def _gate(db: Database, around: Surroundings, now: datetime) -> Iterator[Finding]:
    with db.read() as session:
        user_ids = store.list_moved_last(session, limit=GATE_WALLETS_MAX)
    held: dict[int, Snapshot] = {}
    for user_id in user_ids:
        snapshot = around.gate.snapshot(user_id, 0)
        if snapshot is None:
            break
        if snapshot.version is not None and snapshot.balance is not None:
            held[user_id] = snapshot
    # The books are read after the gate: whatever it holds is in them by now, or never was.
    with db.read() as session:
        books = {
            user_id: store.get_wallet_facts(session, user_id, after=snapshot.version or 0)
            for user_id, snapshot in held.items()
        }
    for user_id, facts in books.items():
        oldest = now - around.reload - GATE_SLACK
        yield from _compare(user_id, held[user_id], facts, oldest=oldest)


def _compare(
    user_id: int, held: Snapshot, facts: WalletFacts, *, oldest: datetime
) -> Iterator[Finding]:
    version, balance = held.version or 0, held.balance or 0
    ids = {"user": user_id}
    if version > facts.version:
        yield Finding(
            "gate_newer",
            f"Redis holds version {version} of the wallet of user {user_id}, the books end at "
            f"{facts.version}. If the database was restored from a backup, transactions are "
            "missing: compare with the latest one. Else another service writes to this Redis: "
            "give each its own redis.namespace. Redis forgets it within admission.reload_s.",
            ids,
        )
    elif version == facts.version and balance != from_micro(floor_micro(facts.balance)):
        yield Finding(
            "gate_differs",
            f"Redis holds {format_nano(balance)} for user {user_id}, the books say "
            f"{format_nano(facts.balance)} at the same version. If the database was restored from "
            "a backup, that is why. Redis forgets it within admission.reload_s.",
            ids,
        )
    elif facts.next_posted_at is not None and facts.next_posted_at < oldest:
        yield Finding(
            "gate_stale",
            f"Redis holds a balance of user {user_id} from before {facts.next_posted_at}, longer "
            "than admission.reload_s allows: look at the clock and the memory policy of Redis "
            "(expiry must work), and at shareauth_gate_events_total. Restarting Redis is safe.",
            ids,
        )


def _unpriced(session: Session, since: datetime | None) -> Iterator[Finding]:
    found = store.count_unpriced(session, since=since)
    if found.count:
        yield Finding(
            "events_unpriced",
            f"{found.count} answers (events {found.first} to {found.last}) were charged one unit "
            "per point, because no price book was in force. Publish yours with `shareauth prices "
            "publish`; what was charged wrongly is priced again with `shareauth prices rerate`.",
            {"count": found.count, "first": found.first, "last": found.last},
        )


def _quarantine(session: Session, now: datetime) -> Iterator[Finding]:
    found = store.count_unresolved(session, received_before=now - QUARANTINE_AGE)
    if found:
        yield Finding(
            "quarantine_unresolved",
            f"{found} finishes that could not be recorded wait for somebody for more than a day. "
            "They may be money, and are forgotten after hooks.quarantine_days: `shareauth "
            "quarantine list`.",
            {"count": found},
        )


def count_unfinished(session: Session, zone: ZoneInfo, now: datetime) -> tuple[int, int, bool]:
    """Since yesterday: questions without a finish, all questions, and whether it is too many."""
    first = now.astimezone(zone).date() - timedelta(days=1)
    since = datetime.combine(first, time.min, tzinfo=zone)
    unfinished = unfinished_store.totals(session, Wanted(since=since)).open_turns
    asked = unfinished + metering_store.questions_since(session, first)
    return (
        unfinished,
        asked,
        unfinished >= UNFINISHED_MIN and unfinished > (UNFINISHED_SHARE_MAX * asked),
    )


def _unfinished(session: Session, zone: ZoneInfo, now: datetime) -> Iterator[Finding]:
    unfinished, asked, are_too_many = count_unfinished(session, zone, now)
    if are_too_many:
        yield Finding(
            "turns_unfinished",
            f"{unfinished} of {asked} questions since yesterday have no finish: their answers may "
            "not have been charged. See `shareauth turns unfinished`, and look in FastGPT's log "
            "and the proxy's whether its finishes reach this service.",
            {"count": unfinished},
        )


def _partitions(session: Session, now: datetime) -> Iterator[Finding]:
    found = lines_store.examine_partitions(session, now)
    cure = "The job `prepare_partitions` says why in the log of `shareauth worker`, and so does"
    if found.missing:
        yield Finding(
            "partitions_missing",
            f"usage_lines has no partition for {_months(found.missing)}: lines of these months go "
            f"to the default one. {cure} `shareauth db upgrade`, which makes them, too.",
            {"months": _months(found.missing)},
        )
    if found.astray:
        yield Finding(
            "lines_astray",
            f"Lines of {_months(found.astray)} are in the default partition of usage_lines. "
            f"{cure} `shareauth db upgrade`, which puts them where they belong.",
            {"months": _months(found.astray)},
        )


def _reports(session: Session, since: datetime, now: datetime) -> Iterator[Finding]:
    for difference in check.differences(session, since=since, until=now):
        yield Finding(
            "reports_differ",
            f"Reports are not what the books are: since {since}, {difference}. The books are "
            "right; `shareauth usage rebuild` makes the sums of the reports anew from them.",
            {"table": difference.table},
        )
    waits = check.waits_since(session, now=now)
    if waits is not None:
        yield Finding(
            "reports_behind",
            f"Answers since {waits} are in no report yet. The job `follow_usage` says why in the "
            "log of `shareauth worker`, or none runs.",
            {},
        )


def _months(months: tuple[int, ...]) -> str:
    return ", ".join(month_text(month) for month in months)


def _spool(status: Status, now: datetime) -> Iterator[Finding]:
    if status.oldest_at is not None and status.oldest_at < now - SPOOL_AGE:
        yield Finding(
            "spool_waits",
            f"{status.records} finishes wait in this machine's spool, the oldest since "
            f"{status.oldest_at}, though the database answers. The job `drain_spool` says why in "
            "the log of `shareauth worker`; `shareauth spool list` shows them.",
            {"count": status.records},
        )
    aside = status.rejected + status.damaged
    if aside:
        yield Finding(
            "spool_aside",
            f"{aside} spooled finishes could not be booked ({status.rejected} rejected, "
            f"{status.damaged} damaged) and are kept beside the spool. They may be money: "
            "`shareauth spool list`.",
            {"count": aside},
        )
