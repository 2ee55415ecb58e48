"""Reports on usage, as the API and the pages show them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.admin.inputs import Amount
from app.admin.resources.asking import ReportQuery, as_query
from app.closings import store as closing_store
from app.closings.months import month_text
from app.money import from_nano
from app.reports import store
from app.reports.explore import explore
from app.reports.query import Amounts, Counted, Group, Report, Row
from app.reports.spans import Unit

TOKENS = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")

TIMES = ("median_ms", "p95_ms", "untimed")
SEEN = ("refusals", "unfinished")
MONEY = frozenset({"points", "charge"})
"""Measures in nano-units."""


class AmountsOut(BaseModel):
    """Sums. Null: it cannot be told for such a row."""

    questions: int | None = Field(description="Answers.")
    visitors: int | None = Field(description="Users with an answer, where asked for.")
    points: Amount
    charge: Amount
    corrections: Amount | None = Field(
        description="What re-ratings, reversals and refunds added to the charge, mostly below "
        "zero. Null in a report by or of apps, models, kinds of nodes, plans or attributes: "
        "corrections are of users and links."
    )
    net: Amount = Field(
        description="The charge with its corrections; the charge alone where these are null."
    )
    input_tokens: int
    output_tokens: int
    embedding_tokens: int
    rerank_tokens: int
    cost: Amount | None = Field(
        description="What the points cost you, by `cost_per_point` of the prices then; of those "
        "points whose cost is known. Null: of none."
    )
    costed_points: Amount = Field(description="The points whose cost is known.")
    margin: Amount | None = Field(
        description="The net charge without the cost, so before corrections where these are null; "
        "null where the cost of some points is not known."
    )
    margin_percent: Amount | None = Field(description="The margin of the net charge, in per cent.")
    median_ms: int | None = Field(
        description="Half of the answers with a time took at most this; at most 5 % off. Where "
        "asked for."
    )
    p95_ms: int | None = Field(description="Likewise 95 of 100.")
    untimed: int | None = Field(description="Answers of which FastGPT told no time.")
    refusals: int | None = Field(
        description="Calls that were refused, where asked for and still kept."
    )
    unfinished: int | None = Field(description="Questions whose answer was never reported.")

    @classmethod
    def of(cls, amounts: Amounts, **more: Any) -> Self:  # noqa: ANN401 - fields of their own
        return cls(
            questions=amounts.questions,
            visitors=amounts.visitors,
            points=from_nano(amounts.points),
            charge=from_nano(amounts.charge),
            corrections=_decimal(amounts.corrections),
            net=from_nano(amounts.net),
            cost=_decimal(amounts.known_cost),
            costed_points=from_nano(amounts.costed_points),
            margin=_decimal(amounts.margin),
            margin_percent=amounts.margin_percent,
            **{name: getattr(amounts, name) for name in (*TOKENS, *TIMES, *SEEN)},
            **more,
        )


class KeyOut(BaseModel):
    """Whom or what a row is of."""

    group: Group
    value: str = Field(description="As the filter of this group takes it; empty: it had no name.")
    label: str = Field(description="For people.")


class RowOut(AmountsOut):
    """Sums of a bucket and a group."""

    at: datetime | None = Field(description="When the bucket begins; null without buckets.")
    keys: list[KeyOut] = Field(description="Empty for what the limit left out, the others.")
    is_others: bool


class CountedOut(BaseModel):
    """How far the books are counted; newer answers follow within seconds."""

    event_id: int
    transaction_id: int
    is_behind: bool

    @classmethod
    def of(cls, counted: Counted) -> Self:
        return cls(
            event_id=counted.event_id,
            transaction_id=counted.transaction_id,
            is_behind=counted.is_behind,
        )


class ReportOut(BaseModel):
    """A report. Rows with the others add up to the total, except questions and visitors."""

    currency: str
    since: datetime
    until: datetime
    zone: str
    per: Unit | None
    by: list[Group]
    starts: list[datetime] = Field(description="Of all buckets, also the empty ones.")
    rows: list[RowOut]
    total: AmountsOut
    counted: CountedOut
    closed_to: str | None = Field(
        default=None,
        description="The last closed month, where some of the report's time is closed. A report "
        "counts the books as they stand, also what came after a closing; statements and exports "
        "of a closed month have what was in the books by then.",
        examples=["2026-10"],
    )


def _decimal(nano: int | None) -> Decimal | None:
    return None if nano is None else from_nano(nano)


def report(desk: Desk, asked: ReportQuery) -> ReportOut:
    """The report, of what this caller may see."""
    with desk.db.read() as session:
        made = explore(session, as_query(desk, session, asked))
        return _beside_closings(session, shown(session, made, desk))


@dataclass(frozen=True, slots=True)
class FirstRows:
    """A report of which not all rows go out: ``made`` has them all."""

    report: ReportOut
    made: Report


def first_rows(desk: Desk, asked: ReportQuery, rows_max: int) -> FirstRows:
    """The same with so many rows: what a page shows of it."""
    with desk.db.read() as session:
        made = explore(session, as_query(desk, session, asked))
        first = shown(session, replace(made, rows=made.rows[:rows_max]), desk)
        return FirstRows(_beside_closings(session, first), made)


def figure(amounts: Amounts, measure: str) -> Decimal | int | None:
    """A measure as it goes out."""
    if measure == "cost":
        return _decimal(amounts.known_cost)
    value: int | None = getattr(amounts, measure)
    return _decimal(value) if measure in MONEY else value


def shown(session: Session, made: Report, desk: Desk) -> ReportOut:
    """The report as it goes out."""
    uids = _uids(session, made)
    return ReportOut(
        currency=desk.settings.billing.currency,
        since=made.since,
        until=made.until,
        zone=made.query.zone.key,
        per=made.query.per,
        by=list(made.query.by),
        starts=list(made.starts),
        rows=[_row(row, made, uids) for row in made.rows],
        total=AmountsOut.of(made.total),
        counted=CountedOut.of(made.counted),
    )


def _beside_closings(session: Session, report: ReportOut) -> ReportOut:
    """With the closed month that a reader could take its figures for."""
    closing = closing_store.find_last(session)
    if closing is None or closing.until <= report.since:
        return report
    return report.model_copy(update={"closed_to": month_text(closing.month)})


def _uids(session: Session, made: Report) -> dict[int, str]:
    """The uid of each user of the rows."""
    if "user" not in made.query.by:
        return {}
    place = made.query.by.index("user")
    ids = {row.keys[place] for row in made.rows if row.keys}
    return store.uids(session, [key for key in ids if isinstance(key, int)])


def _row(row: Row, made: Report, uids: Mapping[int, str]) -> RowOut:
    keys = []
    if row.keys is not None:
        for group, key, label in zip(made.query.by, row.keys, row.labels, strict=True):
            value = uids[key] if group == "user" and isinstance(key, int) else label
            keys.append(KeyOut(group=group, value=value, label=label))
    return RowOut.of(row.amounts, at=row.at, keys=keys, is_others=row.keys is None)
