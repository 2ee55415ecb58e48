"""What the self-audit found, kept until nobody finds it any more, and when it last looked."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.findings import store
from app.findings.models import FindingRecord


class FindingQuery(PageQuery):
    with_resolved: bool = False
    code: Annotated[str | None, Field(max_length=60, pattern=r"^[a-z0-9_]*$")] = None


class FindingOut(BaseModel):
    """One finding, however often it was found."""

    id: int
    code: str
    message: str
    ids: dict[str, Any] = Field(description="Where it is.")
    first_seen_at: datetime
    last_seen_at: datetime
    times: int
    resolved_at: datetime | None = Field(description="When it was no longer found.")

    @classmethod
    def of(cls, row: FindingRecord) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class RunOut(BaseModel):
    """The last time it looked."""

    scope: Literal["books", "recent"] = Field(description="All books, or what is new.")
    at: datetime
    findings: int = Field(description="How many it found.")


class FindingPage(Page[FindingOut]):
    """Findings, newest first."""

    runs: list[RunOut]


def count_open(desk: Desk) -> int:
    """How many findings nobody has mended yet."""
    with desk.db.read() as session:
        return sum(one.count for one in store.count_open(session))


def index(desk: Desk, query: FindingQuery) -> FindingPage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        rows = store.list_page(
            session,
            with_resolved=query.with_resolved,
            code=query.code or None,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
        runs = [
            RunOut.model_validate({"scope": run.scope, "at": run.at, "findings": run.findings})
            for run in store.list_runs(session)
        ]
    page = paging.page(rows, query.limit, shown=FindingOut.of, at=lambda one: paging.cursor(one.id))
    return FindingPage(items=page.items, next=page.next, runs=runs)
