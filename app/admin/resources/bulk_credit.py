"""Credit for many users at once: what would be given, and the job that gives it."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.admin.inputs import Amount, Paid, Reason, Text
from app.admin.resources.jobs import JobOut
from app.background import granting, handlers
from app.errors import Conflict, Invalid
from app.ledger.grants import PRIORITY, PRIORITY_MAX
from app.moments import Moment
from app.people.plans import Plans
from app.plans import store as plan_store
from app.tokens.issuers import parse_configured
from app.users import store as user_store
from app.users.store import Wanted

CSV_MAX = 400_000
"""Characters."""
PROBLEMS_SHOWN = 50
COLUMNS = frozenset({"subject", "amount"})

Trouble = Literal["unknown", "ambiguous", "amount", "twice"]


class GiftsUnclear(Invalid):
    """Some lines say nobody, or nothing, that credit could be given to."""

    code = "gifts_unclear"


class GiftsChanged(Conflict):
    """What would be given is not what was looked at."""

    code = "gifts_changed"


class BulkIn(BaseModel):
    """Who is given how much: `gifts`, or `plan` and `amount`."""

    model_config = ConfigDict(extra="forbid")

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = Field(
        description="What you call it. The same again gives nobody a second time."
    )
    reason: Reason
    expires_at: Moment | None = Field(default=None, description="Default: never.")
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = PRIORITY
    gifts: Annotated[str, Field(max_length=CSV_MAX, pattern=r"^[^\x00]*$")] | None = Field(
        default=None,
        description="CSV: `subject` and `amount`, and `issuer` where several know a subject.",
    )
    plan: Text | None = Field(default=None, description="Everybody who has this plan.")
    amount: Paid | None = Field(default=None, description="What each of the plan's is given.")


class BulkGiveIn(BulkIn):
    expect: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="`digest` of the preview."
    )


class LineProblem(BaseModel):
    """A line of the CSV that cannot be."""

    line: int
    text: str
    problem: Trouble


class BulkPreview(BaseModel):
    """What would be given."""

    people: int
    total: Amount
    currency: str
    problems: list[LineProblem] = Field(description="The first fifty; none may be left.")
    problem_count: int
    digest: str = Field(description="To be sent with the order, as `expect`.")


@dataclass(slots=True)
class _Read:
    """What the CSV says: users by id with an amount each, and lines that cannot be."""

    gifts: dict[int, Decimal] = field(default_factory=dict)
    problems: list[LineProblem] = field(default_factory=list)


def preview(desk: Desk, asked: BulkIn) -> BulkPreview:
    """Raises: Invalid, PlanNotFound."""
    with desk.db.read() as session:
        return _look(desk, session, asked)[0]


def plan_names(desk: Desk) -> list[str]:
    with desk.db.read() as session:
        return [plan.name for plan in plan_store.list_all(session)]


def give(desk: Desk, asked: BulkGiveIn) -> JobOut:
    """Have a worker give it; asked again with the same run it gives nobody a second time.

    Raises:
        GiftsUnclear: a line names nobody, or says no amount; nothing is given.
        GiftsChanged: the preview was of something else.
        Invalid, PlanNotFound: as for the preview.
    """
    desk.check_permissions("jobs:write")
    if asked.expires_at is not None and asked.expires_at <= desk.now:
        raise Invalid("the credit would be over already", code="grant_over_already")
    with desk.db.begin() as session:
        looked, read = _look(desk, session, asked)
        if looked.problem_count:
            raise GiftsUnclear(f"{looked.problem_count} lines cannot be: see `problems`")
        if looked.digest != asked.expect:
            raise GiftsChanged("what would be given has changed: look at it again")
        job = handlers.enqueue(
            session,
            granting.KIND,
            granting.Parameters(
                run=asked.run,
                reason=asked.reason,
                expires_at=asked.expires_at,
                priority=asked.priority,
                gifts=None if asked.gifts is None else sorted(read.gifts.items()),
                plan=asked.plan,
                amount=asked.amount,
            ),
            actor=desk.actor,
            now=desk.now,
            reason=asked.reason,
            operator_id=desk.caller.operator_id,
        )
        return JobOut.of(job)


def _look(desk: Desk, session: Session, asked: BulkIn) -> tuple[BulkPreview, _Read]:
    is_of_plan = (asked.plan is not None, asked.amount is not None)
    if is_of_plan != (asked.gifts is None,) * 2:
        raise Invalid("say either gifts, or a plan and an amount", code="gifts_or_plan")
    read = _Read() if asked.gifts is None else _read(session, asked.gifts)
    if asked.plan is not None and asked.amount is not None:
        people = _count(desk, session, asked.plan)
        total = asked.amount * people
    else:
        people, total = len(read.gifts), sum(read.gifts.values(), Decimal(0))
    said = (asked.run, people, total.normalize(), asked.plan, sorted(read.gifts.items()))
    shown = BulkPreview(
        people=people,
        total=total,
        currency=desk.settings.billing.currency,
        problems=read.problems[:PROBLEMS_SHOWN],
        problem_count=len(read.problems),
        digest=hashlib.sha256(repr(said).encode()).hexdigest(),
    )
    return shown, read


def _count(desk: Desk, session: Session, name: str) -> int:
    plans = Plans.load(session, parse_configured(desk.settings.issuers))
    plan = plan_store.get_by_name(session, name)
    wanted = Wanted(status="active", plan=(plan.id, plans.issuers_giving(plan)))
    return user_store.count_matching(session, wanted)


def _read(session: Session, text: str) -> _Read:
    rows = list(_rows(text))
    known = user_store.find_meant(session, {subject for _, subject, _, _ in rows})
    read = _Read()
    for line, subject, issuer, said in rows:
        meant = [user for user, name in known.get(subject, ()) if issuer in ("", name)]
        amount = _amount(said)
        trouble: Trouble | None = None
        if not meant:
            trouble = "unknown"
        elif len(meant) > 1:
            trouble = "ambiguous"
        elif amount is None:
            trouble = "amount"
        elif meant[0] in read.gifts:
            trouble = "twice"
        else:
            read.gifts[meant[0]] = amount
        if trouble is not None:
            shown = f"{subject}, {said}"[:100]
            read.problems.append(LineProblem(line=line, text=shown, problem=trouble))
    return read


def _rows(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Line, subject, issuer and amount of each row.

    Raises: Invalid, when it is no such table, or longer than one job may be.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        if not set(reader.fieldnames or ()) >= COLUMNS:
            raise Invalid(
                "the first line must name the columns subject and amount", code="gifts_columns"
            )
        for number, row in enumerate(reader):
            if number >= granting.GIFTS_MAX:
                raise Invalid(
                    f"at most {granting.GIFTS_MAX} lines at a time", code="gifts_too_many"
                )
            values = [(row.get(name) or "").strip() for name in ("subject", "issuer", "amount")]
            yield reader.line_num, values[0], values[1], values[2]
    except csv.Error as broken:
        raise Invalid(f"it is no CSV: {broken}", code="gifts_columns") from None


def _amount(text: str) -> Decimal | None:
    """An amount that a grant may have."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 < amount <= 10**9 or int(amount.as_tuple().exponent) < -9:  # noqa: PLR2004
        return None
    return amount
