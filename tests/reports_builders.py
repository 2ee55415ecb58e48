"""Usage for reports: many answers in few statements, and the sums counted."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from app.db import Database
from app.metering.models import UsageEvent, UsageLine, UsageSegment
from app.metering.months import month_of
from app.plans.models import Plan
from app.pricing.book import PriceBook
from app.pricing.models import PriceVersion
from app.reports.rollup import follow
from app.reports.rollup.follow import Advanced
from app.tokens.models import Issuer
from app.users.models import User
from sqlalchemy.orm import Session

SHANGHAI = ZoneInfo("Asia/Shanghai")
TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")


@dataclass
class Line:
    model: str
    node_kind: str
    points: int
    charge: int
    tokens: tuple[int | None, ...] = (7, 3, None, None)


@dataclass
class Answer:
    at: datetime
    user_id: int
    link_id: int
    app: str | None = "bot"
    lines: Sequence[Line] = field(default_factory=lambda: [Line("GPT-5", "chatNode", 5, 2)])
    chat_id: str | None = None
    warnings: dict[str, int] = field(default_factory=dict)
    segment_id: int | None = None
    plan_id: int | None = None
    version_id: int | None = None
    took_ms: int | None = None

    @property
    def sums(self) -> dict[str, int]:
        added = {"points": sum(line.points for line in self.lines)}
        added["charge"] = sum(line.charge for line in self.lines)
        return added | {
            name: sum(line.tokens[place] or 0 for line in self.lines)
            for place, name in enumerate(TOKENS)
        }


def make_answers(
    rng: random.Random,
    moments: Iterable[datetime],
    users: Sequence[int],
    links: Sequence[int],
    *,
    has_more: bool = False,
) -> list[Answer]:
    """One at each moment, with up to four lines; ``has_more``: of ``make_around``."""
    answers = _make_answers(rng, moments, users, links)
    if has_more:
        for answer in answers:
            answer.segment_id = rng.choice([None, 1, 2, 3, 3])
            answer.plan_id = rng.choice([None, 1, 2])
            answer.version_id = rng.choice([None, 1, 2, 3])
            answer.took_ms = rng.choice([None, rng.randrange(60), rng.randrange(90_000), 10**10])
            for line in answer.lines:
                line.points *= rng.choice([1, 333_333_333, 10**12 + 7])
    return answers


SEGMENTS: dict[int | None, str] = {None: "", 1: "Sales", 2: "", 3: "R&D 研发"}
COSTS: dict[int | None, Decimal | None] = {
    None: None,
    1: None,
    2: Decimal("0.333333333"),
    3: Decimal("123.000000007"),
}


def make_around(session: Session, now: datetime) -> None:
    """Segments, plans and prices for answers to be of; an issuer for the last of the users."""
    for number, name in SEGMENTS.items():
        if number is not None:
            attributes = {"department": name} if name else {"site": "A"}
            session.add(UsageSegment(id=number, digest=str(number), attributes=attributes))
    for number in (1, 2):
        plan = Plan(id=number, name=f"plan-{number}", limits={}, price_multiplier=1)
        plan.created_at = now
        session.add(plan)
    for version, cost in COSTS.items():
        if version is not None:
            book = PriceBook(cost_per_point=cost)
            session.add(
                PriceVersion(
                    id=version,
                    effective_at=now,
                    document=book.document(),
                    digest="",
                    created_at=now,
                    created_by="test",
                )
            )
    issuer = Issuer(name="other", kind="jwt", origin="database", spec={}, status="active")
    issuer.created_at = now
    session.add(issuer)
    session.flush()
    last = session.scalars(sa.select(User).order_by(User.id.desc()).limit(1)).one()
    last.issuer_id = issuer.id


def _make_answers(
    rng: random.Random, moments: Iterable[datetime], users: Sequence[int], links: Sequence[int]
) -> list[Answer]:
    return [
        Answer(
            at=at,
            user_id=rng.choice(users),
            link_id=rng.choice(links),
            app=rng.choice([None, "bot", "x" * 130]),
            lines=[
                Line(
                    rng.choice(["GPT-5", "Qwen", ""]),
                    rng.choice(["chatNode", "tools"]),
                    rng.randrange(4),
                    rng.randrange(9),
                    tuple(rng.choice([None, 0, 11]) for _ in TOKENS),
                )
                for _ in range(rng.randrange(5))
            ],
        )
        for at in moments
    ]


def write(db: Database, answers: Sequence[Answer], first: int = 1) -> None:
    with db.begin() as session:
        session.add_all(_event(first + place, answer) for place, answer in enumerate(answers))
        session.flush()
        session.add_all(
            _line(first + place, position, answer.at, line)
            for place, answer in enumerate(answers)
            for position, line in enumerate(answer.lines)
        )


def count(
    db: Database, now: datetime, *, zone: ZoneInfo = SHANGHAI, events_max: int = 500
) -> list[Advanced]:
    """Bring the sums up to date; what each transaction counted."""
    steps: list[Advanced] = []
    while not steps or not steps[-1].is_done:
        with db.begin() as session:
            steps.append(follow.advance(session, zone=zone, now=now, events_max=events_max))
    return steps


def spread(
    rng: random.Random, around: Sequence[datetime], days: int, number: int
) -> list[datetime]:
    """Moments within days of those given, to the second."""
    reach = days * 86400
    return [
        rng.choice(around) + timedelta(seconds=rng.randrange(-reach, reach)) for _ in range(number)
    ]


def _event(id_: int, answer: Answer) -> UsageEvent:
    sums: dict[str, Any] = answer.sums
    return UsageEvent(
        id=id_,
        reference=f"r{id_}",
        idempotency_key=f"k{id_}",
        fingerprint=f"f{id_}",
        link_id=answer.link_id,
        user_id=answer.user_id,
        received_at=answer.at,
        app_name=answer.app,
        chat_id=answer.chat_id,
        generation="G5",
        billed_by="token",
        points=sums["points"],
        charge=sums["charge"],
        input_tokens=1,
        output_tokens=1,
        node_count=len(answer.lines),
        body_bytes=100,
        warnings=answer.warnings,
        arithmetic={},
        segment_id=answer.segment_id,
        plan_id=answer.plan_id,
        price_version_id=answer.version_id,
        running_time_ms=answer.took_ms,
    )


def _line(event_id: int, position: int, at: datetime, line: Line) -> UsageLine:
    return UsageLine(
        event_id=event_id,
        position=position,
        received_month=month_of(at),
        model=line.model,
        node_kind=line.node_kind,
        points=line.points,
        charge=line.charge,
        is_covered=False,
        **dict(zip(TOKENS, line.tokens, strict=True)),
    )
