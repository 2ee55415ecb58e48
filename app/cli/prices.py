"""``shareauth prices``: the price book and its versions."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.documents import read_document
from app.cli.frame import Group, Report
from app.cli.inputs import Number, When
from app.cli.links import find_link
from app.cli.output import amount, card, iso, local, table
from app.cli.rerate import rerate
from app.cli.session import Desk, validated, with_desk
from app.money import from_nano
from app.plans import store as plan_store
from app.pricing import commands, store
from app.pricing.book import DEFAULT_BOOK, PriceBook
from app.pricing.commands import PriceSpec
from app.pricing.models import PriceVersion
from app.pricing.preview import Sample, preview

prices = Group(
    "prices",
    help="The price book turns what an answer used into a charge: so much per FastGPT point, per "
    "question, and per 1000 tokens of models by name (also where FastGPT charges no points because "
    "the team uses its own key). A version never changes; a new one takes over at its time.",
)


@prices.command("list", example="shareauth prices list")
@with_desk
def list_(desk: Desk) -> Report:
    """List all versions, the one that takes effect last first."""
    with desk.db.read() as session:
        versions = store.list_all(session)
        now_in_force = store.find_in_force(session, desk.now)
        rows = [_described(version, now_in_force, desk.now) for version in versions]
    shown = table(
        ["version>", "effective", "status", "per point>", "per question>", "models>", "note", "by"],
        [
            [
                version.id,
                local(version.effective_at, desk.settings.zone),
                row["status"],
                row["book"]["per_point"],
                row["book"]["per_question"],
                len(row["book"]["models"]),
                version.note,
                version.created_by,
            ]
            for version, row in zip(versions, rows, strict=True)
        ],
        empty="Nothing is published: a point costs one unit of the currency, nothing else costs.",
    )
    return Report({"versions": rows}, [shown])


@prices.command("show", example="shareauth prices show")
@click.argument("version", type=int, required=False, help="Its number; default: the one in force.")
@with_desk
def show(desk: Desk, version: int | None) -> Report:
    """Show the prices in force, or those of one version.

    The `book` in the --json output is what `prices publish` takes.
    """
    with desk.db.read() as session:
        in_force = store.find_in_force(session, desk.now)
        found = in_force if version is None else store.get(session, version)
        book = DEFAULT_BOOK if found is None else store.book_of(found)
        data = (
            {"version": None, "status": "default", "book": book.document()}
            if found is None
            else _described(found, in_force, desk.now)
        )
    return Report(data, [*_shown_book(book, data), *_shown_models(book)])


@prices.command("publish", example="shareauth prices publish prices.toml --note 'GPT dearer'")
@click.argument(
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The price book, TOML or JSON; see `docs/cli.md`.",
)
@click.option(
    "--effective-at",
    type=When(),
    metavar="TIME",
    help="When it takes over, such as 2027-01-01T00:00:00+08:00; default: at once.",
)
@click.option("--note", metavar="TEXT", help="What is new, for whoever reads the list.")
@with_desk
def publish(desk: Desk, file: Path, effective_at: datetime | None, note: str | None) -> Report:
    """Publish a price book as a new version.

    Answers are charged by the version in force when their finish comes; nothing charged before
    changes. A book has currency, per_point, per_question, minimum, monthly_allowance, zero_usage
    and a list of models, each with pattern, applies, input_per_1k and output_per_1k. What a point
    costs you may stand there as cost_per_point: it charges nobody, reports show the margin by it.
    """
    book = validated(PriceBook, {"currency": desk.settings.billing.currency, **read_document(file)})
    spec = validated(PriceSpec, {"book": book, "effective_at": effective_at, "note": note})
    currency = desk.settings.billing.currency
    with desk.change() as session:
        made = commands.publish(session, spec, currency=currency, actor=desk.actor, now=desk.now)
        in_force = store.find_in_force(session, desk.now)
        data = _described(made, in_force, desk.now)
    when = local(made.effective_at, desk.settings.zone)
    return Report(data, [f"Version {made.id} takes effect at {when}.", *_shown_book(book, data)])


@prices.command(
    "preview",
    example="shareauth prices preview --model gpt-4o --input-tokens 1200 --output-tokens 300",
)
@click.option("--points", type=Number(), default="0", metavar="N", help="FastGPT points it took.")
@click.option("--model", default="", metavar="NAME", help="The model, as FastGPT displays it.")
@click.option("--input-tokens", type=click.IntRange(0, 10**12), default=0, help="Tokens read.")
@click.option("--output-tokens", type=click.IntRange(0, 10**12), default=0, help="Tokens written.")
@click.option("--link", metavar="LINK", help="With the multiplier of this link.")
@click.option("--plan", metavar="PLAN", help="With the multiplier of this plan.")
@click.option("--at", type=When(), metavar="TIME", help="By the prices in force then.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="By this book instead, before it is published.",
)
@with_desk
def calculate(  # noqa: PLR0913 - one for each option
    desk: Desk,
    *,
    points: Decimal,
    model: str,
    input_tokens: int,
    output_tokens: int,
    link: str | None,
    plan: str | None,
    at: datetime | None,
    file: Path | None,
) -> Report:
    """Say what an answer would cost, with the arithmetic; nothing is booked."""
    if file and at:
        raise click.UsageError("Give either --file or --at.")
    sample = Sample(model, points, input_tokens, output_tokens)
    with desk.db.read() as session:
        book, version = _book(desk, session, at, file)
        by_link = find_link(desk, session, link).price_multiplier if link else None
        by_plan = plan_store.get_by_name(session, plan).price_multiplier if plan else None
    charge = preview(
        [sample],
        book=book,
        link_multiplier=_factor(by_link),
        plan_multiplier=_factor(by_plan),
    )
    data = {
        "charge": amount(charge.total),
        "currency": book.currency,
        "version": version,
        "unpriced": list(charge.unpriced),
        "arithmetic": charge.arithmetic,
    }
    notes = [f"No price fits the model {name}." for name in charge.unpriced]
    total = f"It would cost {data['charge']} {book.currency}."
    return Report(data, [card(dict(charge.arithmetic)), "", total, *notes])


prices.add_command(rerate)


def _book(
    desk: Desk, session: Session, at: datetime | None, file: Path | None
) -> tuple[PriceBook, int | None]:
    if file is not None:
        currency = desk.settings.billing.currency
        return validated(PriceBook, {"currency": currency, **read_document(file)}), None
    version = store.find_in_force(session, at or desk.now)
    return (store.book_of(version), version.id) if version else (DEFAULT_BOOK, None)


def _factor(multiplier: int | None) -> Decimal:
    return Decimal(1) if multiplier is None else from_nano(multiplier)


def _described(
    version: PriceVersion, in_force: PriceVersion | None, now: datetime
) -> dict[str, Any]:
    is_current = in_force is not None and in_force.id == version.id
    waiting = "planned" if version.effective_at > now else "replaced"
    return {
        "version": version.id,
        "status": "active" if is_current else waiting,
        "effective_at": iso(version.effective_at),
        "note": version.note,
        "created_at": iso(version.created_at),
        "created_by": version.created_by,
        "digest": version.digest,
        "book": version.document,
    }


def _shown_book(book: PriceBook, data: dict[str, Any]) -> list[object]:
    document = book.document()
    shown = {
        "version": data["version"] or "none published yet",
        "status": data["status"],
        "currency": book.currency,
        "per point": document["per_point"],
        "per question": document["per_question"],
        "minimum": document["minimum"],
        "monthly allowance": document["monthly_allowance"],
        "cost per point": document.get("cost_per_point"),
        "answers without usage": book.zero_usage,
        "note": data.get("note"),
    }
    return [card(shown)]


def _shown_models(book: PriceBook) -> list[object]:
    rows = [
        [
            rule.pattern,
            "always" if rule.applies == "always" else "without points",
            *(
                format(price, "f")
                for price in (
                    rule.input_per_1k,
                    rule.output_per_1k,
                    rule.embedding_per_1k,
                    rule.rerank_per_1k,
                )
            ),
        ]
        for rule in book.models
    ]
    headings = ["model", "applies", "input/1k>", "output/1k>", "embedding/1k>", "rerank/1k>"]
    return ["", table(headings, rows, empty="No model has a price per token.")]
