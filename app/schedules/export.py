"""The kind ``export``: a table of the books as files, with the manifest that proves them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.config import Locale
from app.db import Database
from app.deliveries.orders import DeliveredFile
from app.exports import catalogue, reading, writing
from app.exports.formats import registry
from app.exports.order import Order
from app.exports.scope import Scope
from app.exports.writing import MANIFEST, How
from app.links import store as link_store
from app.links.store import LinkNotFound
from app.periods import Period
from app.schedules.makers import Assignment, Made, Maker
from app.users import store as user_store

KIND = "export"
FORMAT = "shareauth-scheduled-export/1"
Table = Literal["events", "lines", "postings", "statements", "refusals", "audit"]
Form = Literal["csv", "xlsx", "jsonl", "parquet", "focus", "cloudevents"]
ANY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
"""To try parameters with."""
_NO_NUL = r"^[^\x00]*$"
_OF_THE_DAY = frozenset({"asked_by", "asked_at"})
_WORDS = {
    "zh": {
        "events": "用量事件",
        "lines": "用量明细",
        "postings": "账本分录",
        "statements": "钱包汇总",
        "refusals": "拒绝记录",
        "audit": "审计日志",
        "rows": "行数：{rows}",
        "sum": "{name} 合计：{amount}",
        "closed": "月份 {month} 已结账，结账哈希 {hash}。",
        "digest": "各行摘要：{digest}",
    },
    "en": {
        "events": "Usage events",
        "lines": "Usage lines",
        "postings": "Ledger postings",
        "statements": "Wallets",
        "refusals": "Refusals",
        "audit": "Audit journal",
        "rows": "Rows: {rows}",
        "sum": "Sum of {name}: {amount}",
        "closed": "{month} is closed; the hash of its closing is {hash}.",
        "digest": "Digest of the rows: {digest}",
    },
}


class Parameters(BaseModel):
    """Which table, and how it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Table
    format: Form = "csv"
    gzip: bool = False
    bom: bool = False
    """Begin CSV with a mark by which Excel knows UTF-8."""
    link: Annotated[str | None, Field(min_length=1, max_length=120, pattern=_NO_NUL)] = None
    """Only of this link: name."""
    user: Annotated[str | None, Field(min_length=1, max_length=300, pattern=_NO_NUL)] = None
    """Only of this user: uid or subject."""
    kind: Annotated[str | None, Field(min_length=1, max_length=200, pattern=_NO_NUL)] = None
    """Only of this kind: what that is, each table says."""
    locale: Locale = "zh"
    """Of what the mail says."""


def make(db: Database, work: Assignment) -> Made:
    """The table's rows of the assignment's period; those of its closing where a month is closed.

    Raises:
        LinkNotFound, UserNotFound: the link or user of its filter is gone.
        LinesGone: some of it lies in archives that are not on this machine.
        BooksBusy: for now nobody can say up to where the books are complete.
    """
    asked = Parameters.model_validate(work.parameters.model_dump())
    with db.read() as session:
        order = reading.prepare(db, _order(session, asked, work))
    archives = reading.needed_archives(db, order, work.site.archives)
    base = f"{asked.table}-{work.period.label}"
    how = How(base=base, note=lambda _: work.check(), is_flat=True)
    told = writing.write(db, order, work.folder, archives, how)
    files = [DeliveredFile.of(work.folder / one["name"], order.media_type) for one in told["files"]]
    proof = work.folder / f"{base}{order.suffix}{MANIFEST}"
    return Made(
        files=[*files, DeliveredFile.of(proof, "application/json")],
        manifest={"format": FORMAT, "export": _lasting(told)},
        subject=f"{_WORDS[asked.locale][asked.table]} · {work.period.label}",
        summary=_summary(told, _WORDS[asked.locale]),
    )


def check(session: Session, parameters: BaseModel, owner: str) -> None:
    """Refuse what cannot be made.

    Raises:
        LinkNotFound, UserNotFound, FilterUnknown, FormatUnfit: as for ``make``.
        Conflict: several issuers know the user's subject (``subject_ambiguous``).
    """
    del owner
    asked = Parameters.model_validate(parameters.model_dump())
    table, form = catalogue.get(asked.table), registry.get(asked.format)
    registry.check(table, form, gzip=asked.gzip, bom=asked.bom)
    table.check(_scope(session, asked, ANY))


def permission(parameters: BaseModel) -> str:
    """That of the table."""
    return catalogue.get(Parameters.model_validate(parameters.model_dump()).table).permission


MAKER = Maker(Parameters, permission=permission, make=make, check=check)


def _order(session: Session, asked: Parameters, work: Assignment) -> Order:
    period = Period(work.period.since, work.period.until)
    return Order(
        table=catalogue.get(asked.table),
        form=registry.get(asked.format),
        scope=_scope(session, asked, period),
        zone=work.site.zone,
        currency=work.site.currency,
        source=work.site.source,
        software=work.site.software,
        asked_by=work.owner,
        asked_at=work.now,
        with_bom=asked.bom,
        gzip=asked.gzip,
        month=work.month,
    )


def _scope(session: Session, asked: Parameters, period: Period) -> Scope:
    user = None if asked.user is None else user_store.get_by_subject(session, asked.user)
    return Scope(
        period,
        link_id=_link_id(session, asked),
        user_id=None if user is None else user.id,
        kind=asked.kind,
    )


def _link_id(session: Session, asked: Parameters) -> int | None:
    if asked.link is None:
        return None
    link = link_store.find_by_name(session, asked.link)
    if link is None:
        raise LinkNotFound(f"there is no link {asked.link!r}")
    return link.id


def _lasting(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of the export's manifest, what it says of the rows and files, whoever asks and when."""
    kept = {name: value for name, value in told.items() if name not in _OF_THE_DAY}
    return dict(json.loads(json.dumps(kept)))


def _summary(told: Mapping[str, Any], words: Mapping[str, str]) -> str:
    closing = told["closing"]
    return "\n".join(
        [
            words["rows"].format(rows=told["rows"]),
            *(words["sum"].format(name=name, amount=sum_) for name, sum_ in told["sums"].items()),
            *([] if closing is None else [words["closed"].format(**closing)]),
            words["digest"].format(digest=told["content_sha256"]),
        ]
    )
