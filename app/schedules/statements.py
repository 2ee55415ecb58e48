"""The kind ``statements``: all statements of a month, as they were frozen when it was closed.

A CSV with a row for each, for a bookkeeper; JSON Lines with the very bytes that the hashes are of,
for proofs; and if wanted each as PDF.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from app import csv_text
from app.closings import lookup, store
from app.closings.content import number_of
from app.closings.models import Closing, FrozenStatement
from app.closings.months import month_text
from app.closings.papers import rendering
from app.config import Locale
from app.csv_text import Cell
from app.db import Database
from app.deliveries.orders import DeliveredFile
from app.errors import Conflict, Invalid
from app.money import format_nano, from_nano
from app.schedules.makers import Assignment, Made, Maker
from app.users import store as user_store
from app.users.models import User

KIND = "statements"
FORMAT = "shareauth-statements/1"
KINDS = ("wallet", "department")
PDF_MAX = 2000
"""Statements of a month; more are for the page of the closing, one at a time."""
COLUMNS = (
    "number",
    "month",
    "kind",
    "department",
    "uid",
    "subject",
    "name",
    "currency",
    "opening",
    "charged",
    "other",
    "closing",
    "sha256",
)
_WORDS = {
    "zh": (
        "对账单 · {month}",
        (
            "{month} 的 {count} 份对账单。",
            "期初合计：{opening} {currency}",
            "期末合计：{closing} {currency}",
            "结账哈希：{hash}",
        ),
    ),
    "en": (
        "Statements, {month}",
        (
            "{count} statements of {month}.",
            "Opening, all wallets: {opening} {currency}",
            "Closing, all wallets: {closing} {currency}",
            "Hash of the closing: {hash}",
        ),
    ),
}


class TooManyStatements(Invalid):
    """So many PDFs are made by nobody at once."""

    code = "statements_too_many"


class MonthOpen(Conflict):
    """There are no statements of it: the month is not closed."""

    code = "month_open"


class Parameters(BaseModel):
    """What there is beside the table of all statements and their contents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pdf: bool = False
    """Each statement as PDF, too."""
    bom: bool = True
    """Begin the CSV with a mark by which Excel knows UTF-8."""
    locale: Locale = "zh"
    """Of the PDFs, and of what the mail says."""


def make(db: Database, work: Assignment) -> Made:
    """The statements of the month that the assignment is of.

    Raises:
        MonthOpen: it is not closed.
        TooManyStatements: so many PDFs cannot be.
    """
    asked = Parameters.model_validate(work.parameters.model_dump())
    with db.read() as session:
        closing = store.find(session, work.month or 0)
        if closing is None:
            raise MonthOpen(f"{work.period.label} is not closed")
        if asked.pdf and closing.statements > PDF_MAX:
            raise TooManyStatements(f"no more than {PDF_MAX} statements are made as PDF")
        files = _write(session, closing, asked, work)
    subject, summary = _WORDS[asked.locale]
    words = {
        "month": month_text(closing.month),
        "count": closing.statements,
        "opening": format_nano(closing.opening),
        "closing": format_nano(closing.closing),
        "currency": closing.currency,
        "hash": closing.hash,
    }
    return Made(
        files=files,
        manifest=_manifest(closing),
        subject=subject.format(**words),
        summary="\n".join(line.format(**words) for line in summary),
    )


MAKER = Maker(
    Parameters,
    permission=lambda _: "wallets:read",
    make=make,
    cadences=("closing",),
)


def _write(
    session: Session, closing: Closing, asked: Parameters, work: Assignment
) -> list[DeliveredFile]:
    stem = f"statements-{month_text(closing.month)}"
    totals, contents = work.folder / f"{stem}.csv", work.folder / f"{stem}.jsonl"
    papers: list[DeliveredFile] = []

    def rows() -> Iterator[Sequence[Cell]]:
        with contents.open("wb") as out:
            for kind in KINDS:
                found = store.iter_statements(session, closing.month, kind)
                while page := list(islice(found, store.PAGE_ROWS)):
                    users = user_store.load_by_ids(session, [one.user_id or 0 for one in page])
                    for one in page:
                        out.write(one.content.encode("ascii") + b"\n")
                        if asked.pdf:
                            papers.append(_paper(session, one, asked, work))
                        yield _row(one, users.get(one.user_id or 0))
                    work.check()

    with totals.open("w", encoding="utf-8", newline="", errors="replace") as out:
        out.writelines(csv_text.csv_lines(COLUMNS, rows(), with_bom=asked.bom))
    return [
        DeliveredFile.of(totals, "text/csv; charset=utf-8"),
        DeliveredFile.of(contents, "application/jsonl"),
        *papers,
    ]


def _row(one: FrozenStatement, user: User | None) -> Sequence[Cell]:
    who: Sequence[Cell] = (
        (None, None, None) if user is None else (user.uid, user.subject, user.name)
    )
    return (
        number_of(one.year, one.ordinal),
        month_text(one.month),
        one.kind,
        one.department,
        *who,
        one.currency,
        from_nano(one.opening),
        from_nano(one.charged),
        from_nano(one.closing - one.opening + one.charged),
        from_nano(one.closing),
        one.hash,
    )


def _paper(
    session: Session, one: FrozenStatement, asked: Parameters, work: Assignment
) -> DeliveredFile:
    file = rendering.render(
        one,
        "pdf",
        people=rendering.people_of(session, one),
        issuer=rendering.issuer_of(work.site.issuer),
        locale=asked.locale,
    )
    place = work.folder / file.name
    place.write_bytes(file.body)
    return DeliveredFile.of(place, file.media_type)


def _manifest(closing: Closing) -> dict[str, Any]:
    period = lookup.period_of(closing)
    return {
        "format": FORMAT,
        "closing": {
            "month": month_text(closing.month),
            "number": closing.id,
            "hash": closing.hash,
            "previous_hash": closing.previous_hash,
        },
        "period": {"since": period.since.isoformat(), "until": period.until.isoformat()},
        "position": {"event_id": closing.event_id, "transaction_id": closing.transaction_id},
        "currency": closing.currency,
        "statements": closing.statements,
        "departments": closing.departments,
        "sums": {"opening": format_nano(closing.opening), "closing": format_nano(closing.closing)},
    }
