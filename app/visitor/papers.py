"""The visitor's own statements of closed months."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.closings import store
from app.closings.content import number_of
from app.closings.months import month_text
from app.closings.numbers import parse_number
from app.closings.papers import rendering
from app.closings.papers.rendering import File
from app.closings.store import StatementNotFound, Wanted
from app.pagekit import languages
from app.visitor.access import Visit

LISTED_MAX = 120
"""Ten years of months."""
Form = Literal["html", "pdf"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One statement; amounts in nano-units."""

    number: str
    month: str
    charged: int
    closing: int
    currency: str


def list_own(here: Visit) -> Sequence[Listed]:
    """The visitor's statements, newest first."""
    with here.db.read() as session:
        user = here.user(session)
        rows = store.list_statements(session, Wanted(user_id=user.id), limit=LISTED_MAX)
    return [
        Listed(
            number_of(row.year, row.ordinal),
            month_text(row.month),
            row.charged,
            row.closing,
            row.currency,
        )
        for row in rows
    ]


def own_file(here: Visit, number: str, form: Form) -> File:
    """One of them, in the language of the page.

    Raises:
        StatementNotFound: there is none of this number, or it is somebody else's.
    """
    year, ordinal = parse_number(number)
    with here.db.read() as session:
        user = here.user(session)
        row = store.get_statement(session, year, ordinal)
        if row.user_id != user.id:
            raise StatementNotFound("there is no such statement of this visitor")
        people = rendering.people_of(session, row)
    issuer = rendering.issuer_of(here.settings.statements)
    locale = languages.current()
    return rendering.render(row, form, people=people, issuer=issuer, locale=locale)
