"""Prices: versions, a draft with its preview, publishing, and the calculator."""

from datetime import timedelta

from flask import Response, flash, render_template, request

from app.admin import access, wording
from app.admin.pages import fields, times
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.price_words import problem_says
from app.admin.resources import calculator, plans, prices
from app.admin.resources.calculator import CalculationIn, CostOut, TermsIn
from app.admin.resources.prices import PricePreviewIn, PricePublishIn
from app.errors import Conflict, Invalid, NotFound
from app.metering.kinds import KNOWN_KINDS
from app.pagekit.languages import gettext as _
from app.pricing import documents
from app.pricing.commands import PriceSpec
from app.pricing.documents import BookTextInvalid

blueprint = section("prices", "/prices")

ROWS = 3
ROW_FIELDS = (
    "model",
    "node_kind",
    "points",
    "input_tokens",
    "output_tokens",
    "embedding_tokens",
    "rerank_tokens",
)


@blueprint.get("/")
@access.allow("prices:read")
def index() -> str:
    query = validated(PageQuery, {"cursor": request.args.get("cursor")})
    return render_template("prices/index.html", page=prices.index(access.desk(), query))


@blueprint.get("/<int:version>")
@access.allow("prices:read")
def show(version: int) -> str:
    found = prices.show(access.desk(), version)
    return render_template("prices/show.html", price=found, text=documents.write(found.book))


@blueprint.get("/new")
@access.allow("prices:write")
def new() -> str:
    """A copy of the prices in force, or of the version ``from``, to change."""
    start = request.args.get("from", "")
    found = prices.show(access.desk(), int(start) if start.isdecimal() else None)
    return _draft(text=documents.write(found.book))


@blueprint.post("/draft")
@access.allow("prices:write")
def draft() -> str:
    """Back from the preview to what was typed."""
    return _draft()


@blueprint.post("/preview")
@access.allow("prices:write")
def preview() -> AnyResponse | str:
    try:
        desk = access.desk()
        asked = PricePreviewIn(
            **_typed(),
            since=times.begins(fields.optional("since"), desk.settings.zone),
            until=times.ends(fields.optional("until"), desk.settings.zone),
        )
        found = prices.preview(desk, asked)
    except BookTextInvalid as problem:
        return Response(_draft(problems=problem.problems), status=problem.status)
    except (Invalid, Conflict) as problem:
        flash(wording.told(problem), "danger")
        return Response(_draft(), status=problem.status)
    return render_template("prices/preview.html", preview=found, draft=request.form)


@blueprint.post("/publish")
@access.allow("prices:write")
def publish() -> AnyResponse:
    """What was previewed, and only that: the digest of the preview comes along."""

    def work() -> AnyResponse:
        asked = PricePublishIn(**_typed(), expect=request.form.get("digest", ""))
        made = prices.publish(access.desk(), asked)
        said = _("Version %(version)s is published.", version=made.version)
        return done(said, "prices.show", version=made.version)

    return attempt(work, _draft)


@blueprint.get("/calculator")
@access.allow("prices:read")
def calculate() -> str:
    return _calculator()


@blueprint.post("/calculator")
@access.allow("prices:read")
def do_calculate() -> AnyResponse | str:
    if fields.checked("more"):
        return _calculator()
    try:
        return _calculator(_calculated())
    except (Invalid, NotFound) as problem:
        flash(wording.told(problem), "danger")
        return Response(_calculator(), status=problem.status)


def _typed() -> dict[str, object]:
    """The prices of the form and when they take over.

    Raises:
        BookTextInvalid: says what is wrong with the text, by line.
    """
    settings = access.desk().settings
    book = documents.parse(request.form.get("book", ""), currency=settings.billing.currency)
    stated: dict[str, object] = {
        "book": book,
        "effective_at": times.moment(fields.optional("effective_at"), settings.zone),
        "note": fields.optional("note"),
    }
    validated(PriceSpec, stated)
    return stated


def _draft(text: str = "", problems: list[documents.BookProblem] | None = None) -> str:
    first, end = prices.last_month(access.desk())
    return render_template(
        "prices/edit.html",
        text=text,
        problems=problems or [],
        problem_says=problem_says,
        since=first.isoformat(),
        until=(end - timedelta(days=1)).isoformat(),
    )


def _calculated() -> CostOut:
    desk = access.desk()
    terms: dict[str, object] = {
        "version": fields.optional("version"),
        "plan": fields.optional("plan"),
        "link_multiplier": fields.optional("link_multiplier") or "1",
        "allowance_used": fields.optional("allowance_used") or "0",
    }
    if fields.checked("paste"):
        pasted = request.form.get("response_data", "")
        return calculator.meter_text(desk, validated(TermsIn, terms), pasted)
    calls = [call for place in range(_rows()) if (call := _call(place))]
    return calculator.calculate(desk, validated(CalculationIn, {**terms, "calls": calls}))


def _call(place: int) -> dict[str, str]:
    """A row of the form; empty when nothing but its node kind is filled in."""
    typed = {name: fields.optional(f"{name}.{place}") for name in ROW_FIELDS}
    given = {name: value for name, value in typed.items() if value is not None}
    return given if given.keys() - {"node_kind"} else {}


def _rows() -> int:
    said = request.form.get("rows", "")
    wanted = int(said) if said.isdecimal() and len(said) < 4 else ROWS  # noqa: PLR2004 - digits
    return min(wanted + (ROWS if fields.checked("more") else 0), calculator.CALLS_MAX)


def _calculator(cost: CostOut | None = None) -> str:
    desk = access.desk()
    return render_template(
        "prices/calculator.html",
        cost=cost,
        rows=_rows(),
        kinds=sorted(KNOWN_KINDS),
        versions=prices.index(desk, PageQuery(limit=100)).items,
        plans=plans.index(desk, PageQuery()).items,
    )
