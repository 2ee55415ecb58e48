"""The audit: who changed what, from where, and why."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.audit import store
from app.audit.models import AuditEntry
from app.audit.store import Wanted
from app.moments import Moment
from app.pagekit.tables import Cell

EXPORT_PAGE = 1000
COLUMNS = (
    "id",
    "at",
    "actor",
    "source",
    "address",
    "action",
    "object_type",
    "object_id",
    "reason",
    "before",
    "after",
)

Text = Annotated[str | None, Field(max_length=200, pattern=r"^[^\x00]*$")]


class AuditFilter(BaseModel):
    """Which entries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: Text = None
    source: Text = None
    """``cli``, ``admin`` (the console), ``api``, ``service``."""
    action: Text = None
    """Such as ``prices.publish``; ``prices.`` means all that begin so."""
    object_type: Text = None
    object_id: Text = None
    since: Moment | None = None
    until: Moment | None = None
    reason: Text = None
    """A part of the reason."""

    @property
    def wanted(self) -> Wanted:
        said = {name: getattr(self, name) or None for name in AuditFilter.model_fields}
        return Wanted(**said)


class AuditQuery(PageQuery, AuditFilter):
    """A page of entries."""


class AuditExportQuery(AuditFilter):
    bom: bool = False
    """Begin with a byte order mark, as Excel wants it."""


class AuditOut(BaseModel):
    """One change."""

    id: int
    at: datetime
    actor: str
    source: str
    address: str | None
    action: str
    object_type: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(**{name: getattr(entry, name) for name in COLUMNS})


class AuditPage(Page[AuditOut]):
    """Changes, newest first."""


class Changed(BaseModel):
    """One value of an object before and after; ``name`` has dots where it is nested."""

    name: str
    kind: Literal["changed", "added", "removed", "same"]
    before: Any
    after: Any


def index(desk: Desk, query: AuditQuery) -> AuditPage:
    place = paging.position(query.cursor, int)
    with desk.db.read() as session:
        rows = store.list_page(
            session,
            query.wanted,
            before_id=None if place is None else int(place[0]),
            limit=query.limit + 1,
        )
    page = paging.page(rows, query.limit, shown=AuditOut.of, at=lambda one: paging.cursor(one.id))
    return AuditPage(items=page.items, next=page.next)


def show(desk: Desk, entry_id: int) -> AuditOut:
    with desk.db.read() as session:
        return AuditOut.of(store.get(session, entry_id))


def everything(desk: Desk, wanted: Wanted) -> Iterator[AuditOut]:
    """All that match, newest first, read in pages: each of them in a transaction of its own."""
    before_id: int | None = None
    while True:
        with desk.db.read() as session:
            page = store.list_page(session, wanted, before_id=before_id, limit=EXPORT_PAGE)
        if not page:
            return
        for entry in page:
            yield AuditOut.of(entry)
        before_id = page[-1].id


def cells(entry: AuditOut) -> list[Cell]:
    """In the order of ``COLUMNS``."""
    return [getattr(entry, name) for name in COLUMNS]


def changes(entry: AuditOut) -> list[Changed]:
    """What is before and after, value by value; what stayed the same comes last."""
    before, after = _flat(entry.before or {}), _flat(entry.after or {})
    found = []
    for name in dict.fromkeys([*after, *before]):
        is_before, is_after = name in before, name in after
        old, new = before.get(name), after.get(name)
        kind: Literal["changed", "added", "removed", "same"] = "same" if old == new else "changed"
        if is_before != is_after:
            kind = "added" if is_after else "removed"
        found.append(Changed(name=name, kind=kind, before=old, after=new))
    return sorted(found, key=lambda one: one.kind == "same")


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            flat |= _flat(inner, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = inner
    return flat
