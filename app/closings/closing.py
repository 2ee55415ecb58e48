"""Close a month: freeze its statements some at a time, then the month itself.

How far it is stands in ``closing_runs`` and moves in the transactions that write the statements: so
whoever is killed has lost nothing, and whoever comes next goes on there. Two who close the same
month at once take turns, and each statement is written once.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.closings import content, drafting, store
from app.closings.content import number_of
from app.closings.drafting import Quest
from app.closings.lookup import frame_of, position_of
from app.closings.models import Closing, ClosingRun
from app.closings.months import due_at, month_after, month_text, window
from app.closings.sums import store as sums
from app.db import Database, DatabaseBusy
from app.errors import Conflict
from app.ledger.chain import GENESIS
from app.money import format_nano
from app.periods import Period, Position


class MonthClosed(Conflict):
    """It was closed before."""

    code = "month_closed"


class MonthNotOver(Conflict):
    """The month, or the time of grace after it, is not over."""

    code = "month_not_over"


class MonthOutOfOrder(Conflict):
    """Another month comes first."""

    code = "month_out_of_order"


class ClosingUnderWay(Conflict):
    """Another month is being closed at the moment."""

    code = "closing_under_way"


class BooksDiffer(Conflict):
    """The statements do not add up to the ledger: nothing was closed."""

    code = "closing_does_not_add_up"


@dataclass(frozen=True, slots=True)
class Order:
    """A month to close, by whom and why. ``grace`` is how long after its end it stays open."""

    month: int
    zone: ZoneInfo
    currency: str
    department_attribute: str | None
    grace: timedelta
    actor: Actor
    now: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a closing is, in wallets; ``statements`` are those written so far."""

    done: int
    total: int
    statements: int


Alongside = Callable[[Session, Step], None]
"""Called in each transaction that gets ahead; what it raises undoes that transaction."""


def check_order(session: Session, order: Order) -> Closing | None:
    """Whether this month is the one to close next; the closing before it.

    Raises:
        MonthClosed, MonthOutOfOrder, MonthNotOver: it is not.
    """
    last = store.find_last(session)
    text = month_text(order.month)
    if last is not None and order.month <= last.month:
        if store.find(session, order.month) is None:
            raise MonthOutOfOrder(f"{text} is before the first month that was closed")
        raise MonthClosed(f"{text} is closed already")
    if last is not None and order.month != month_after(last.month):
        raise MonthOutOfOrder(
            f"{month_text(month_after(last.month))} comes first: months are closed in their order"
        )
    due = due_at(order.month, order.zone, order.grace)
    if order.now < due:
        raise MonthNotOver(f"{text} can be closed from {due.astimezone(order.zone)} on")
    return last


def close(
    db: Database, order: Order, *, alongside: Alongside = lambda _session, _step: None
) -> Iterator[Step]:
    """Close the month, a step at a time; go on where it was left. The last step is the closing.

    Raises:
        MonthClosed, MonthOutOfOrder, MonthNotOver, ClosingUnderWay: nothing was done.
        BooksDiffer: statements and ledger do not agree: `ledger verify` says where.
        DatabaseBusy: somebody writes who can not be waited for; try again.
    """
    db.run(lambda session: _begin(session, order))
    quest: Quest | None = None
    while True:
        with db.read() as session:
            sums.take_time(session)
            run = store.find_run(session)
            if run is None or run.month != order.month:
                return  # another has finished it meanwhile
            quest = quest or _quest(session, run)
            draft = _draft(session, quest, run, order)
            facts = _facts(session, quest, run) if draft is None else {}
        step = db.run(_writer(order, quest, run, draft or facts, alongside))
        if step is not None:
            yield step
        if draft is None:
            return


def _writer(
    order: Order,
    quest: Quest,
    seen: ClosingRun,
    what: "_Draft | dict[str, Any]",
    alongside: Alongside,
) -> Callable[[Session], Step | None]:
    """What writes the next statements, or the closing itself, in one transaction.

    It writes nothing, and gives None, when another was faster: what was drafted is not of the run
    as it is now.
    """

    def write(session: Session) -> Step | None:
        run = store.lock_run(session)
        if run is None or run.month != quest.month or _place(run) != _place(seen):
            return None
        if isinstance(what, _Draft):
            _keep(session, run, what)
            step = _step(run)
        else:
            step = _step(run)
            _finish(session, order, quest, run, what)
        alongside(session, step)
        return step

    return write


def _begin(session: Session, order: Order) -> None:
    run = store.lock_run(session)
    if run is None:
        last = check_order(session, order)
        position = sums.decided_position(session)
        if position is None:
            raise DatabaseBusy("somebody is writing to the books for long: try again")
        if not store.begin_run(session, _run_row(session, order, last, position)):
            run = store.lock_run(session)
    if run is not None and run.month != order.month:
        raise ClosingUnderWay(
            f"{month_text(run.month)} is being closed: `shareauth closings close` it first"
        )


def _run_row(
    session: Session, order: Order, last: Closing | None, position: Position
) -> dict[str, Any]:
    span = window(order.month, order.zone)
    year = order.month // 100
    return {
        "month": order.month,
        "since": span.starts_at if last is None else last.until,
        "until": span.ends_at,
        "zone": order.zone.key,
        "currency": order.currency,
        "event_id": position.event_id if last is None else max(position.event_id, last.event_id),
        "transaction_id": position.transaction_id
        if last is None
        else max(position.transaction_id, last.transaction_id),
        "begun_at": order.now,
        "begun_by": order.actor.name,
        "reason": order.reason,
        "wallets": sums.count_wallets(session),
        "wallets_done": 0,
        "last_wallet": 0,
        "last_department": None,
        "statements": 0,
        "departments": 0,
        "next_ordinal": store.next_ordinal(session, year),
        "fold": GENESIS,
    }


def _quest(session: Session, run: ClosingRun) -> Quest:
    last = store.find_last(session)
    period = Period(
        run.since,
        run.until,
        upto=Position(run.event_id, run.transaction_id),
        after=None if last is None else position_of(last),
    )
    return Quest(
        month=run.month,
        period=period,
        frame=frame_of(run.month, period, zone=run.zone, currency=run.currency),
        late=sums.late_wallets(session, period),
        previous_month=None if last is None else last.month,
    )


@dataclass(frozen=True, slots=True)
class _Draft:
    """Statements to write next, and where the run is then."""

    rows: list[dict[str, Any]]
    wallets: int
    last_wallet: int
    last_department: str | None


def _draft(session: Session, quest: Quest, run: ClosingRun, order: Order) -> _Draft | None:
    wallets = sums.list_wallets(session, after=run.last_wallet)
    if wallets:
        rows = []
        found = drafting.wallets_of(session, quest, wallets, after=run.last_wallet)
        for ordinal, one in enumerate(found, start=run.next_ordinal):
            said = one.content(quest.frame, number_of(quest.month // 100, ordinal))
            department = drafting.department_of(one.wallet, order.department_attribute)
            rows.append(
                drafting.row_of(
                    quest,
                    ordinal,
                    said,
                    one.figures,
                    kind="wallet",
                    user_id=one.wallet.user_id,
                    department=department,
                )
            )
        return _Draft(rows, len(wallets), wallets[-1].id, run.last_department)
    name = store.next_department(session, quest.month, after=run.last_department)
    if name is None:
        return None
    figures, members = drafting.department(store.iter_members(session, quest.month, name))
    number = number_of(quest.month // 100, run.next_ordinal)
    said = content.of_department(quest.frame, number, name, figures, members)
    row = drafting.row_of(
        quest, run.next_ordinal, said, figures, kind="department", user_id=None, department=name
    )
    return _Draft([row], 0, run.last_wallet, name)


def _keep(session: Session, run: ClosingRun, draft: _Draft) -> None:
    store.insert_statements(session, draft.rows)
    for row in draft.rows:
        run.fold = content.fold(run.fold, row["hash"])
    run.next_ordinal += len(draft.rows)
    run.statements += len(draft.rows)
    run.departments += draft.last_department != run.last_department
    run.wallets_done += draft.wallets
    run.last_wallet, run.last_department = draft.last_wallet, draft.last_department
    session.flush()


def _place(run: ClosingRun) -> tuple[int, str | None, int]:
    return run.last_wallet, run.last_department, run.next_ordinal


def _step(run: ClosingRun) -> Step:
    done = run.wallets_done + run.departments
    return Step(done, max(run.wallets, done), run.statements)


def _facts(session: Session, quest: Quest, run: ClosingRun) -> dict[str, Any]:
    """What the closing freezes, proven against the ledger as a whole.

    Raises: BooksDiffer.
    """
    moved = sums.sums_of_all(session, quest.period)
    opening, closing = store.sum_of_wallets(session, quest.month)
    last = store.find_last(session)
    if opening + sum(one.amount for one in moved.values()) != closing:
        raise BooksDiffer(
            f"the statements of {quest.frame.month} do not add up to the ledger's transactions: "
            "`shareauth ledger verify` says what is wrong"
        )
    if last is not None and opening != last.closing:
        raise BooksDiffer(f"{quest.frame.month} does not open with what {last.month} closed with")
    heads = hashlib.sha256()
    for name, sequence, digest in sums.iter_heads(session, quest.upto):
        heads.update(f"{name} {sequence} {digest}\n".encode())
    first = run.next_ordinal - run.statements
    year = quest.month // 100
    return {
        "opening": format_nano(opening),
        "closing": format_nano(closing),
        "sums": content.sums_document(moved),
        "statements": run.statements,
        "departments": run.departments,
        "first": number_of(year, first) if run.statements else None,
        "last": number_of(year, run.next_ordinal - 1) if run.statements else None,
        "statements_hash": run.fold,
        "heads": heads.hexdigest(),
        "last_event": run.event_id,
        "previous_hash": GENESIS if last is None else last.hash,
    }


def _finish(
    session: Session, order: Order, quest: Quest, run: ClosingRun, facts: dict[str, Any]
) -> None:
    closing = _closing(session, quest, run, facts)
    closing.closed_at = order.now
    store.end_run(session, run, closing)
    journal.record(
        session,
        actor=order.actor,
        action="closings.close",
        subject=("closing", month_text(closing.month)),
        now=order.now,
        change=(
            None,
            {
                "statements": closing.statements,
                "closing": facts["closing"],
                "position": closing.transaction_id,
                "hash": closing.hash,
            },
        ),
        reason=closing.reason,
    )


def _closing(session: Session, quest: Quest, run: ClosingRun, facts: dict[str, Any]) -> Closing:
    said = content.of_closing(quest.frame, facts)
    opening, closing = store.sum_of_wallets(session, run.month)
    after = quest.period.after
    return Closing(
        month=run.month,
        since=run.since,
        until=run.until,
        zone=run.zone,
        currency=run.currency,
        event_id=run.event_id,
        transaction_id=run.transaction_id,
        after_event=None if after is None else after.event_id,
        after_transaction=None if after is None else after.transaction_id,
        opening=opening,
        closing=closing,
        sums=facts["sums"],
        statements=run.statements,
        departments=run.departments,
        content=said.decode("ascii"),
        previous_hash=facts["previous_hash"],
        hash=content.hash_of(said),
        closed_by=run.begun_by,
        reason=run.reason,
    )
