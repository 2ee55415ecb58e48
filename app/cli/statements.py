"""``shareauth statements``: what closed months made of each wallet and department."""

import sys
from pathlib import Path
from typing import Any

import click

from app.background import handlers
from app.background.mail_statements import KIND, NoMailServer, Parameters, locale_of
from app.cli.frame import Group, Report
from app.cli.inputs import Month
from app.cli.output import amount, table
from app.cli.session import Desk, with_desk
from app.closings import store
from app.closings.content import number_of
from app.closings.models import FrozenStatement
from app.closings.months import month_text
from app.closings.numbers import parse_number
from app.closings.papers import rendering
from app.closings.papers.rendering import FORMS, Form
from app.closings.papers.words import Locale
from app.closings.store import Wanted
from app.errors import Conflict
from app.users import store as user_store

statements = Group(
    "statements",
    help="The statements that were frozen when their months were closed: one for each wallet that "
    "had or moved anything, and one for each department. Their numbers have no gaps.",
)


class PlaceTaken(Conflict):
    """There is a file already."""

    code = "place_taken"


@statements.command("list", example="shareauth statements list --month 2026-11")
@click.option("--month", type=Month(), metavar="MONTH", help="Only of this month.")
@click.option("--search", metavar="TEXT", help="Part of a subject, a name or a department.")
@click.option("--kind", type=click.Choice(["wallet", "department"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many.")
@with_desk
def list_(
    desk: Desk, *, month: int | None, search: str | None, kind: str | None, limit: int
) -> Report:
    """List statements, newest first."""
    wanted = Wanted(month=month, text=search, kind=kind)
    with desk.db.read() as session:
        found = store.list_statements(session, wanted, limit=limit)
        users = user_store.load_subjects(session, [one.user_id or 0 for one in found])
    rows = [
        [
            number_of(one.year, one.ordinal),
            month_text(one.month),
            users.get(one.user_id or 0) or one.department,
            amount(one.opening),
            amount(one.charged),
            amount(one.closing),
        ]
        for one in found
    ]
    headings = ["number", "month", "of", "opening>", "charged>", "closing>"]
    return Report(
        {"statements": [_described(one, users) for one in found]},
        [table(headings, rows, empty="There are none: close a month first.")],
    )


@statements.command("get", example="shareauth statements get 2026-000123 --as pdf --out alice.pdf")
@click.argument("number", help="Its number, as `statements list` shows it.")
@click.option("--as", "form", type=click.Choice(FORMS), default="json", help="In which form.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to; - is standard output. Default: a file of the statement's name, here.",
)
@click.option("--locale", type=click.Choice(["zh", "en"]), help="Default: the user's language.")
@with_desk
def get(desk: Desk, *, number: str, form: Form, out: Path | None, locale: Locale | None) -> Report:
    """Write a statement to a file. JSON is the very bytes that its hash is of."""
    year, ordinal = parse_number(number)
    with desk.db.read() as session:
        found = store.get_statement(session, year, ordinal)
        people = rendering.people_of(session, found)
        user = user_store.find_by_id(session, found.user_id or 0)
    fallback = desk.settings.service.locale
    spoken = locale or (fallback if user is None else locale_of(user, fallback))
    issuer = rendering.issuer_of(desk.settings.statements)
    file = rendering.render(found, form, people=people, issuer=issuer, locale=spoken)
    if str(out) == "-":
        sys.stdout.buffer.write(file.body)
        return Report({}, [], is_silent=True)
    place = out or Path(file.name)
    try:
        with place.open("xb") as target:
            target.write(file.body)
    except FileExistsError:
        raise PlaceTaken(f"{place} exists: name another file with --out") from None
    return Report(
        {"number": number_of(year, ordinal), "place": str(place), "hash": found.hash},
        [f"Wrote {place}."],
    )


@statements.command("mail", example="shareauth statements mail --month 2026-11")
@click.option("--month", type=Month(), metavar="MONTH", help="All statements of this month.")
@click.option("--number", metavar="NUMBER", help="Only this one.")
@click.option("--again", is_flag=True, help="Also those that were sent before.")
@with_desk
def mail(desk: Desk, *, month: int | None, number: str | None, again: bool) -> Report:
    """Have a worker mail statements as PDF to the addresses among the users' attributes.

    Each goes once: asking again sends what failed, or what is new, unless `--again` is given.
    """
    if (month is None) == (number is None):
        raise click.UsageError("Give either --month or --number.")
    if desk.settings.mail.host is None:
        raise NoMailServer("no mail server is set up: [mail] of the settings")
    ordinal = None
    with desk.db.read() as session:
        if number is not None:
            year, ordinal = parse_number(number)
            month = store.get_statement(session, year, ordinal).month
        chosen = store.get(session, month or 0).month
    parameters = Parameters(month=chosen, ordinal=ordinal, again=again)
    with desk.db.begin() as session:
        job = handlers.enqueue(session, KIND, parameters, actor=desk.actor, now=desk.now)
    return Report({"job": job.id}, [f"Job {job.id} mails them: shareauth jobs show {job.id}"])


def _described(one: FrozenStatement, users: dict[int, str]) -> dict[str, Any]:
    return {
        "number": number_of(one.year, one.ordinal),
        "month": month_text(one.month),
        "kind": one.kind,
        "subject": users.get(one.user_id or 0),
        "department": one.department,
        "opening": amount(one.opening),
        "charged": amount(one.charged),
        "closing": amount(one.closing),
        "currency": one.currency,
        "hash": one.hash,
    }
