"""Credit for many users as a background job: those of a list, or all who have a plan.

Each user's grant has a key of its own, made of the job's ``run``: whoever has it is given nothing a
second time, however often the job is interrupted or asked for.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from app.background.task import Task
from app.errors import Invalid
from app.funding.changes import Funded
from app.funding.grants import Grace, grant_in
from app.jobs.leases import Progress
from app.ledger import writer
from app.ledger.grants import PRIORITY, PRIORITY_MAX
from app.money import NANO_MAX, format_nano, to_nano
from app.people.plans import Plans
from app.plans import store as plan_store
from app.runtime import Runtime
from app.tokens.issuers import parse_configured
from app.users import store as user_store
from app.users.store import Wanted

KIND = "grant_credit"
USERS_AT_ONCE = 25
GIFTS_MAX = 10_000

Amount = Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=9)]
Gift = tuple[int, int]
"""A user and nano-units."""


class Parameters(BaseModel):
    """Who is given how much, until when and why.

    Either ``gifts``, users by id with an amount each, or ``plan`` and ``amount``: the same to
    everybody who has the plan when the job comes to them. The same ``run`` gives nobody twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    expires_at: AwareDatetime | None = None
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = PRIORITY
    gifts: Annotated[list[tuple[int, Amount]], Field(max_length=GIFTS_MAX)] | None = None
    plan: str | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        of_plan = (self.plan is not None, self.amount is not None)
        if of_plan != (self.gifts is None,) * 2:
            raise ValueError("either gifts, or a plan and an amount")
        return self


@dataclass(frozen=True, slots=True)
class _SoFar:
    """What is noted after each page. ``place`` is where the next begins; amounts in nano-units."""

    place: int | None = None
    given: int = 0
    left_out: int = 0
    amount: int = 0


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """Give the credit and tell the gate; how many got it, how many did not, and the sum.

    Left out are users that are not there, and wallets that could not hold more.

    Raises:
        PlanNotFound: there is no such plan.
    """
    asked = Parameters.model_validate(task.parameters)
    so_far = _SoFar() if task.saved is None else _SoFar(**task.saved)
    while True:
        gifts, place = _page(runtime, asked, so_far.place)
        if not gifts:
            break
        begun = replace(so_far, place=place)

        def work(
            session: Session,
            gifts: Sequence[Gift] = gifts,
            before: _SoFar = begun,
        ) -> tuple[_SoFar, list[Funded]]:
            funded, after = _give(runtime, task, session, asked, gifts, before)
            total = None if asked.gifts is None else len(asked.gifts)
            done = after.given + after.left_out
            progress = Progress(done=done, total=total, message="giving", saved=asdict(after))
            task.advance(session, progress)
            return after, funded

        so_far, funded = runtime.db.run(work)
        for one in funded:
            runtime.gate.set_balance(one.user_id, one.balance, one.version)
    return {
        "given": so_far.given,
        "left_out": so_far.left_out,
        "amount": format_nano(so_far.amount),
        "currency": runtime.settings.billing.currency,
    }


def _page(runtime: Runtime, asked: Parameters, place: int | None) -> tuple[list[Gift], int]:
    """The next users, and the place after them."""
    if asked.gifts is not None:
        begin = place or 0
        page = asked.gifts[begin : begin + USERS_AT_ONCE]
        return [(user_id, to_nano(amount)) for user_id, amount in page], begin + len(page)
    with runtime.db.read() as session:
        plans = Plans.load(session, parse_configured(runtime.settings.issuers))
        plan = plan_store.get_by_name(session, asked.plan or "")
        wanted = Wanted(status="active", plan=(plan.id, plans.issuers_giving(plan)))
        after = None if place is None else (0, place)
        found = user_store.search(session, wanted, after=after, limit=USERS_AT_ONCE)
    amount = to_nano(asked.amount or Decimal(0))
    ids = [one.user.id for one in found]
    return [(user_id, amount) for user_id in ids], min(ids, default=0)


def _give(
    runtime: Runtime,
    task: Task,
    session: Session,
    asked: Parameters,
    gifts: Sequence[Gift],
    before: _SoFar,
) -> tuple[list[Funded], _SoFar]:
    currency, now = runtime.settings.billing.currency, task.clock()
    known = user_store.load_by_ids(session, {user_id for user_id, _ in gifts})
    # All at once and first, in the one order that cannot deadlock.
    wallets = writer.lock_wallets(session, known.keys(), currency=currency, now=now)
    funded, after = [], before
    for user_id, amount in gifts:
        wallet = wallets.get(user_id)
        if wallet is None or wallet.balance + amount > NANO_MAX:
            after = replace(after, left_out=after.left_out + 1)
            continue
        grace = Grace(
            user_id=user_id,
            amount=amount,
            currency=currency,
            reason=asked.reason,
            idempotency_key=f"bulk:{asked.run}:{user_id}",
            expires_at=asked.expires_at,
            priority=asked.priority,
        )
        try:
            given = grant_in(session, grace, actor=task.actor, now=now)
        except Invalid as refused:
            if refused.code != "grant_over_already":
                raise
            after = replace(after, left_out=after.left_out + 1)
            continue
        funded.append(given)
        after = replace(after, given=after.given + 1, amount=after.amount + amount)
    return funded, after
