"""What must hold when everything is well again: the books against what was sent and answered."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from app.cli.session import Desk
from app.cli.simulation_stage import CREDIT, Stage
from app.links import store as link_store
from app.money import format_nano

from faults.cluster import Cluster
from faults.load import Finish

SHOWN_MAX = 20
HARMLESS_WARNINGS = {"events_unpriced", "turns_unfinished"}
"""No price book is in force, and every second question goes without a start or a finish."""
BROKEN = (
    "hook.broke",
    "finish.broke",
    "spool.record_broke",
    "finish.quarantined",
    "spool.rejected",
)
"""Events of the log that no fault excuses."""
EVENTS = """
    SELECT u.subject, e.points, e.charge, e.reference, t.amount
    FROM usage_events e JOIN users u ON u.id = e.user_id
    LEFT JOIN ledger_transactions t ON t.event_id = e.id
"""
WALLETS = """
    SELECT u.subject, a.balance FROM ledger_accounts a JOIN users u ON u.id = a.user_id
"""


@dataclass(frozen=True, slots=True)
class Booked:
    """One answer in the books; ``amount`` is what its transaction took of the wallet."""

    points: int
    charge: int
    reference: str
    amount: int | None


def read_books(desk: Desk) -> dict[str, list[Booked]]:
    booked: defaultdict[str, list[Booked]] = defaultdict(list)
    with desk.db.read() as session:
        for row in session.execute(sa.text(EVENTS)):
            booked[row.subject].append(Booked(row.points, row.charge, row.reference, row.amount))
    return booked


def finishes(sent: Sequence[Finish], booked: dict[str, list[Booked]]) -> Iterator[str]:
    """Answered: once, exactly. Not answered: once or not at all. Nothing else."""
    by_worth = {(finish.subject, finish.points): finish for finish in sent}
    found: Counter[tuple[str, int]] = Counter()
    for subject, events in booked.items():
        for event in events:
            finish = by_worth.get((subject, event.points))
            found[subject, event.points] += 1
            if finish is None:
                yield f"{subject} has an answer that nobody sent: {event}"
            elif event.charge != finish.charge or event.amount != -finish.charge:
                yield f"{_named(finish)}: charged as {event}"
    for worth, finish in by_worth.items():
        if finish.is_answered and not found[worth]:
            yield f"{_named(finish)}: answered, and not in the books: {finish.replies}"
        if found[worth] > 1:
            yield f"{_named(finish)}: {found[worth]} times in the books: {finish.replies}"


def wallets(desk: Desk, stage: Stage, booked: dict[str, list[Booked]]) -> Iterator[str]:
    """Each is its credit minus its charges; so their sum is, too."""
    with desk.db.read() as session:
        held = {row.subject: row.balance for row in session.execute(sa.text(WALLETS))}
    for visitor in stage.visitors:
        due = CREDIT - sum(event.charge for event in booked.get(visitor.subject, ()))
        if held[visitor.subject] != due:
            balance = format_nano(held[visitor.subject])
            yield f"the wallet of {visitor.subject} holds {balance}, due is {format_nano(due)}"


def ledger(cluster: Cluster) -> Iterator[str]:
    """It derives anew, the gate agrees, and nothing was set aside."""
    said = cluster.cli("ledger", "verify")
    if not said["ok"]:
        yield from (f"ledger verify: {finding}" for finding in said["findings"])
    for warning in said["warnings"]:
        is_torn_tail = warning["code"] == "spool_aside" and "(0 rejected" in warning["message"]
        if warning["code"] not in HARMLESS_WARNINGS and not is_torn_tail:
            yield f"ledger verify warns: {warning}"


def open_tickets(desk: Desk, stage: Stage) -> Iterator[str]:
    """Nothing is open or held once every ticket has expired."""
    with desk.db.read() as session:
        link = link_store.find_by_name(session, "simulation")
    for subject, user_id in stage.user_ids.items():
        held = desk.gate.snapshot(user_id, link.id)
        if held is None:
            yield "the gate does not answer"
        elif held.visitor_open or held.visitor_hold or held.visitor_points_hold:
            yield f"{subject} still has {held.visitor_open} questions open: {held}"


def log(text: str, stage: Stage) -> Iterator[str]:
    """It tells of nothing that no fault excuses, and it holds no secret."""
    for visitor in stage.visitors:
        if visitor.token in text:
            yield f"the log holds the token of {visitor.subject}"
    if stage.link_key in text:
        yield "the log holds the key of the link"
    told = [line for line in text.splitlines() if any(event in line for event in BROKEN)]
    yield from (f"log: {line[:1500]}" for line in told)


def loud(text: str) -> Counter[str]:
    """How often the log says what, of warnings and worse; and lines that are no log at all."""
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            level, event = entry["level"], str(entry["event"])
        except (ValueError, KeyError, TypeError):
            continue
        if level in {"warning", "error", "critical"}:
            counts[" ".join([event[:60], *filter(None, [entry.get("code")])])] += 1
    return counts


def shown(violations: Iterator[str]) -> list[str]:
    """Not thousands of them."""
    return list(islice(violations, SHOWN_MAX))


def _named(finish: Finish) -> str:
    return f"{finish.name} finish of {finish.subject} worth {format_nano(finish.points)}"
