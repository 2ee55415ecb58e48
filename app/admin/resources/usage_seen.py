"""Reports on refusals by rule and on questions whose answer was never reported."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.admin.inputs import Amount
from app.admin.resources.asking import Asked, Texts, bounds, kept_since, link_id, zone_of
from app.links import store as link_store
from app.money import from_nano
from app.reports.seen import report
from app.reports.seen.report import SeenGroup, SeenQuery
from app.reports.seen.store import Among, Unfinished
from app.reports.spans import Unit


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Rule = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
Hook = Literal["init", "start", "finish", "other"]
Groups = Annotated[list[SeenGroup], BeforeValidator(_listed), Field(max_length=3)]
Limit = Annotated[int, Field(ge=1, le=1000)]


class UnfinishedQuery(Asked):
    """Which questions whose answer was never reported."""

    per: Unit | None = Field(default=None, description="Cut the period by the clock.")
    by: Annotated[list[Literal["link"]], BeforeValidator(_listed), Field(max_length=1)] = Field(
        default=[], description="A row for each link."
    )
    link: Texts = Field(default=[], description="Only of these links: names.")


class RefusedQuery(Asked):
    """Which refusals."""

    per: Unit | None = Field(default=None, description="Cut the period by the clock.")
    by: Groups = Field(default=["rule"], description="A row for each of these.")
    link: Texts = Field(default=[], description="Only of these links: names.")
    hook: Annotated[list[Hook], BeforeValidator(_listed), Field(max_length=4)] = Field(
        default=[], description="Only of these hooks."
    )
    rule: Annotated[list[Rule], BeforeValidator(_listed), Field(max_length=20)] = Field(
        default=[], description="Only for these reasons: codes."
    )
    limit: Limit = Field(default=100, description="So many groups; the rest are the others.")


class SeenOut(BaseModel):
    """Of which time, by whose clock; also the beginnings of buckets in which there is nothing."""

    since: datetime
    until: datetime
    zone: str
    per: Unit | None
    starts: list[datetime]
    kept_since: datetime | None = Field(description="What was before is deleted; null: nothing is.")


class RefusedRowOut(BaseModel):
    at: datetime | None = Field(description="When the bucket begins; null without buckets.")
    link: str | None = Field(description="Empty: the call reached no link. Null: not asked for.")
    hook: str | None
    rule: str | None
    is_others: bool
    refusals: int


class RefusedOut(SeenOut):
    """Refusals: exact also where a flood left no refusal of its own."""

    by: list[SeenGroup]
    rows: list[RefusedRowOut]
    total: int


class UnfinishedAmountsOut(BaseModel):
    """Questions that were admitted and whose answer was not reported in time."""

    unfinished: int = Field(description="Whose answer was never reported.")
    late: int = Field(description="Whose answer was reported late, and charged.")
    expected_charge: Amount = Field(description="What the unfinished were expected to cost.")
    expected_points: Amount


class UnfinishedRowOut(UnfinishedAmountsOut):
    at: datetime | None
    link: str | None = Field(description="Null: not asked for.")


class UnfinishedOut(SeenOut):
    """Unfinished questions, by when they were asked."""

    rows: list[UnfinishedRowOut]
    total: UnfinishedAmountsOut


def refused(desk: Desk, asked: RefusedQuery) -> RefusedOut:
    """The report, of what this caller may see."""
    with desk.db.read() as session:
        codes = Among(hooks=frozenset(asked.hook) or None, rules=frozenset(asked.rule) or None)
        query = _query(desk, session, asked, tuple(asked.by), codes)
        query = replace(query, limit=asked.limit)
        made = report.refused(session, query)
        names = _names(session, query.by, [row.keys for row in made.rows if row.keys])
    rows = []
    for row in made.rows:
        keys = dict(zip(query.by, row.keys or (), strict=False))
        link = keys.get("link")
        rows.append(
            RefusedRowOut(
                at=row.at,
                link=None if link is None else names.get(link, ""),
                hook=keys.get("hook"),
                rule=keys.get("rule"),
                is_others=row.keys is None,
                refusals=row.value,
            )
        )
    return RefusedOut(
        **_period(made, query),
        kept_since=kept_since(desk),
        by=list(query.by),
        rows=rows,
        total=made.total,
    )


def unfinished(desk: Desk, asked: UnfinishedQuery) -> UnfinishedOut:
    """The report, of what this caller may see."""
    with desk.db.read() as session:
        query = _query(desk, session, asked, tuple(asked.by), Among())
        made = report.unfinished(session, query)
        names = _names(session, query.by, [row.keys for row in made.rows if row.keys])
    return UnfinishedOut(
        **_period(made, query),
        kept_since=None,
        rows=[
            UnfinishedRowOut(
                at=row.at,
                link=names.get(row.keys[0], "") if row.keys else None,
                **_amounts(row.value),
            )
            for row in made.rows
        ],
        total=UnfinishedAmountsOut(**_amounts(made.total)),
    )


def _query(
    desk: Desk,
    session: Session,
    asked: RefusedQuery | UnfinishedQuery,
    by: tuple[SeenGroup, ...],
    among: Among,
) -> SeenQuery:
    zone = zone_of(desk, asked)
    since, until = bounds(asked, zone, desk.now)
    links = frozenset(link_id(desk, session, name) for name in asked.link)
    among = replace(among, links=links or None, link_ids=desk.caller.link_ids)
    return SeenQuery(since, until, zone, asked.per, by, among)


def _period(made: report.SeenReport[Any], query: SeenQuery) -> dict[str, Any]:
    return {
        "since": made.since,
        "until": made.until,
        "zone": query.zone.key,
        "per": query.per,
        "starts": list(made.starts),
    }


def _names(
    session: Session, by: Sequence[SeenGroup], keys: Collection[tuple[Any, ...]]
) -> dict[int, str]:
    if "link" not in by:
        return {}
    place = by.index("link")
    wanted = {one[place] for one in keys}
    return link_store.names(session, wanted)


def _amounts(value: Unfinished) -> dict[str, Any]:
    return {
        "unfinished": value.open_turns,
        "late": value.late_turns,
        "expected_charge": from_nano(value.hold),
        "expected_points": from_nano(value.points_hold),
    }
