"""How long what is kept, and who was erased."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.people import receipt as receipts
from app.people.receipt import Erasure
from app.retention.report import Row, report
from app.users import store as user_store


class KindOut(BaseModel):
    """One kind of data."""

    kind: str
    table: str
    rows: int | None = Field(description="Null: too many to count. Of the books about as many.")
    oldest: datetime | None
    kept_days: int | None = Field(description="Null: for ever.")
    setting: str | None = Field(description="What in the settings says so.")
    removed_by: str | None = Field(description="The periodic job; null: none does.")
    looked_at: datetime | None = Field(description="When old rows were last looked for.")
    last_removed_at: datetime | None
    removed_ever: int
    next_at: datetime | None


class RetentionOut(BaseModel):
    """Every kind of data."""

    kinds: list[KindOut]


class ErasureOut(BaseModel):
    """One person whose data was erased."""

    user_id: int
    uid: str
    pseudonym: str
    erased_at: datetime
    actor: str | None
    reason: str | None
    removed: dict[str, int] | None = Field(
        description="Rows that went or have the pseudonym now, by kind; null: not written then."
    )


class ErasurePage(Page[ErasureOut]):
    """Erasures; users who were seen last come first."""


class ReceiptOut(BaseModel):
    """What an erasure did, column by column, and what stays for which reason."""

    format: str
    written_at: datetime
    user: dict[str, Any]
    erased_at: datetime
    erased_by: str | None
    reason: str | None
    removed: dict[str, int] | None
    kept: dict[str, int]
    columns: list[dict[str, Any]]
    about_no_visitor: list[str]
    elsewhere: list[dict[str, str]]


def retention(desk: Desk) -> RetentionOut:
    with desk.db.read() as session:
        rows = report(session, desk.settings)
    return RetentionOut(kinds=[_kind(row) for row in rows])


def erasures(desk: Desk, query: PageQuery) -> ErasurePage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        rows = receipts.erasures(
            session,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(rows, query.limit, shown=_erasure, at=lambda one: paging.cursor(one.user_id))
    return ErasurePage(items=page.items, next=page.next)


def receipt(desk: Desk, user_id: int) -> ReceiptOut:
    with desk.db.read() as session:
        user = user_store.get(session, user_id)
        return ReceiptOut.model_validate(receipts.receipt(session, user, now=desk.now))


def _kind(row: Row) -> KindOut:
    return KindOut(
        kind=row.kind.name,
        table=row.kind.table,
        rows=row.rows,
        oldest=row.oldest,
        kept_days=None if row.kept is None else row.kept.days,
        setting=row.kind.setting,
        removed_by=row.kind.job,
        looked_at=row.looked_at,
        last_removed_at=row.last_removed_at,
        removed_ever=row.removed_ever,
        next_at=row.next_at,
    )


def _erasure(one: Erasure) -> ErasureOut:
    return ErasureOut(
        user_id=one.user_id,
        uid=one.uid,
        pseudonym=one.pseudonym,
        erased_at=one.erased_at,
        actor=one.actor,
        reason=one.reason,
        removed=one.removed,
    )
