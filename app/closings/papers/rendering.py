"""A statement as a file: HTML, PDF, CSV, or the JSON that was hashed."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy.orm import Session

from app.closings import content
from app.closings.content import number_of
from app.closings.models import FrozenStatement
from app.closings.papers import html
from app.closings.papers.paper import Issuer, Paper, Person, build
from app.closings.papers.words import Locale
from app.ledger.credit import store as credit_store
from app.ledger.transactions import wallet_name
from app.statement_settings import StatementSettings
from app.users import store as user_store

Form = Literal["html", "pdf", "csv", "json"]
FORMS: tuple[Form, ...] = get_args(Form)
MEDIA_TYPES: dict[Form, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
COLUMNS = ("number", "month", "section", "item", "detail", "is_late", "count", "amount")
PEOPLE_AT_ONCE = 1000
_BOM = "\ufeff"
_FORMULA = re.compile(r"[\s\0]*[=+\-@|%＝＋－＠]|[\t\r\n]")


@dataclass(frozen=True, slots=True)
class File:
    """``name`` is plain ASCII."""

    name: str
    media_type: str
    body: bytes


def issuer_of(settings: StatementSettings) -> Issuer:
    return Issuer(settings.company, settings.address, settings.tax_id, settings.note)


def people_of(session: Session, statement: FrozenStatement) -> dict[str, Person]:
    """Whom the wallets on the statement belong to, by the names of the wallets."""
    if statement.user_id is not None:
        ids = [statement.user_id]
    else:
        said = content.read(statement.content)
        ids = [int(one["wallet"].partition(":")[2]) for one in said["members"]]
    gifts = _gifts(session, statement)
    people = {}
    for begin in range(0, len(ids), PEOPLE_AT_ONCE):
        found = user_store.load_by_ids(session, ids[begin : begin + PEOPLE_AT_ONCE])
        for user in found.values():
            is_erased = user.erased_at is not None
            called = {} if is_erased else gifts
            person = Person(user.name or "", user.subject, is_erased, called)
            people[wallet_name(user.id)] = person
    return people


def _gifts(session: Session, statement: FrozenStatement) -> dict[int, str]:
    """What the grants on the statement are called: free text, so not in what is hashed."""
    listed = content.read(statement.content).get("grants", ())
    return credit_store.reasons(session, [one["transaction"] for one in listed])


def paper_of(
    statement: FrozenStatement, people: Mapping[str, Person], issuer: Issuer, locale: Locale
) -> Paper:
    said = content.read(statement.content)
    return build(said, statement.hash, people=people, issuer=issuer, locale=locale)


def render(
    statement: FrozenStatement,
    form: Form,
    *,
    people: Mapping[str, Person],
    issuer: Issuer,
    locale: Locale,
) -> File:
    """The statement as a file. JSON is the very bytes that its hash is of, and names nobody."""
    number = number_of(statement.year, statement.ordinal)
    if form == "json":
        body = statement.content.encode("ascii")
    elif form == "csv":
        body = _csv(content.read(statement.content)).encode("utf-8", "replace")
    else:
        paper = paper_of(statement, people, issuer, locale)
        if form == "html":
            body = html.draw(paper)
        else:
            from app.closings.papers import pdf  # noqa: PLC0415 - takes a while to load

            body = pdf.draw(paper)
    return File(f"statement-{number}.{form}", MEDIA_TYPES[form], body)


def _csv(said: Mapping[str, Any]) -> str:
    """One row for each figure, for programs and spreadsheets; amounts are exact."""
    buffer = io.StringIO()
    buffer.write(_BOM)
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in _rows(said):
        writer.writerow([said["number"], said["month"], *(_safe(value) for value in row)])
    return buffer.getvalue()


def _rows(said: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    yield "balance", "opening", "", "", "", _Number(said["opening"])
    for one in said["sums"]:
        detail = "rerating" if one["is_rerating"] else ""
        amount = _Number(one["amount"])
        yield "sum", one["kind"], detail, _yes(one["is_late"]), one["count"], amount
    for one in said["links"]:
        yield "link", one["name"], one["link"], "", one["answers"], _Number(one["charge"])
    for one in said["models"]:
        name, detail = one["model"] or "", "" if one["model"] is not None else "unexplained"
        yield "model", name, detail, "", one["lines"], _Number(one["charge"])
    for name, value in (said["credit"] or {}).items():
        yield "credit", name, "", "", "", _Number(value)
    for one in said.get("grants", ()):
        where = f"{one['transaction']} {one['expires_at'] or ''}".strip()
        for name in ("amount", "opening", "given", "spent", "expired", "revoked", "closing"):
            yield "grant", name, where, "", "", _Number(one[name])
    for one in said.get("entries", ()):
        yield (
            "entry",
            one["kind"],
            f"{one['transaction']} {one['at']}",
            _yes(one["is_late"]),
            1,
            _Number(one["amount"]),
        )
    for one in said.get("members", ()):
        yield "member", one["wallet"], one["number"], "", "", _Number(one["closing"])
    yield "balance", "closing", "", "", "", _Number(said["closing"])


class _Number(str):
    """Decimal text, which may begin with a minus."""

    __slots__ = ()


def _yes(is_so: object) -> str:
    return "late" if is_so else ""


def _safe(value: object) -> object:
    """Text that no spreadsheet takes for a formula."""
    if isinstance(value, _Number) or not isinstance(value, str):
        return value
    text = value.replace("\0", "")
    return f"'{text}" if _FORMULA.match(text) else text
