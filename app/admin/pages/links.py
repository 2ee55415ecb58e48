"""Links: list, create, change, rotate the key, try."""

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import link_test, links, refusals, tokens
from app.admin.resources.links import CreatedLinkOut, LinkQuery, Rotation
from app.admin.resources.tokens import VisitorUrlOut
from app.i18n import LOCALES, MESSAGES
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links.commands import LinkChange, LinkSpec
from app.pagekit.languages import gettext as _

blueprint = section("links", "/links")

SPOKEN = tuple(code for code in MESSAGES if code != "ok")
OVERLAPS_S = (86400, 3600, 7 * 86400, 0)
LIMITS = (
    ("limits", LinkLimits),
    ("visitor_limits", VisitorLimits),
    ("guest_limits", GuestLimits),
)


@blueprint.get("/")
@access.allow("links:read")
def index() -> str:
    query = validated(LinkQuery, fields.query(request.args))
    page = links.index(access.desk(), query)
    return render_template("links/index.html", page=page, query=query)


@blueprint.get("/new")
@access.allow("links:write")
def new() -> str:
    access.desk().check_whole_house()
    return _form(None)


@blueprint.post("/new")
@access.allow("links:write")
def create() -> AnyResponse:
    def work() -> AnyResponse:
        spec = validated(LinkSpec, {"name": request.form.get("name", "").strip(), **_stated()})
        made: CreatedLinkOut = links.create(access.desk(), spec)
        return done(_("Link %(name)s is ready.", name=made.name), "links.ready", link_id=made.id)

    return attempt(work, new)


@blueprint.get("/<int:link_id>")
@access.allow("links:read")
def show(link_id: int) -> str:
    desk = access.desk()
    with desk.db.snapshot():
        return render_template(
            "links/show.html",
            link=links.show(desk, link_id),
            overlaps=OVERLAPS_S,
            calls=refusals.calls_of_link(desk, link_id),
            refusals=refusals.of_link(desk, link_id),
            refused_link_id=link_id,
            **_doors(link_id),
        )


@blueprint.get("/<int:link_id>/ready")
@access.allow("links:write")
def ready(link_id: int) -> str:
    """Where the wizard ends: what to paste where, and two ways to see that it works."""
    return _ready(link_id)


@blueprint.get("/<int:link_id>/edit")
@access.allow("links:write")
def edit(link_id: int) -> str:
    return _form(link_id)


@blueprint.post("/<int:link_id>/edit")
@access.allow("links:write")
def update(link_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        change = validated(LinkChange, _stated())
        link = links.update(access.desk(), link_id, change)
        return done(_("Link %(name)s is changed.", name=link.name), "links.show", link_id=link_id)

    return attempt(work, lambda: edit(link_id))


@blueprint.post("/<int:link_id>/disable")
@access.allow("links:write")
def disable(link_id: int) -> AnyResponse:
    link = links.set_enabled(access.desk(), link_id, enabled=False)
    return done(_("Link %(name)s is off.", name=link.name), "links.show", link_id=link_id)


@blueprint.post("/<int:link_id>/enable")
@access.allow("links:write")
def enable(link_id: int) -> AnyResponse:
    link = links.set_enabled(access.desk(), link_id, enabled=True)
    return done(_("Link %(name)s is on.", name=link.name), "links.show", link_id=link_id)


@blueprint.post("/<int:link_id>/rotate")
@access.allow("links:write")
def rotate(link_id: int) -> AnyResponse:
    rotation = validated(Rotation, {"overlap_s": request.form.get("overlap_s", "")})
    links.rotate(access.desk(), link_id, rotation)
    flash(_("There is a new root URL: paste it into FastGPT before the old one ends."), "success")
    return redirect(url_for("links.ready", link_id=link_id), code=303)


@blueprint.get("/<int:link_id>/test")
@access.allow("links:write")
def before_test(link_id: int) -> str:
    link = links.show(access.desk(), link_id)
    return render_template("links/test.html", link=link, result=None)


@blueprint.post("/<int:link_id>/test")
@access.allow("links:write")
def test(link_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        result = link_test.play(access.desk(), link_id)
        link = links.show(access.desk(), link_id)
        return _page(render_template("links/test.html", link=link, result=result))

    return attempt(work, lambda: before_test(link_id))


@blueprint.post("/<int:link_id>/try")
@access.allow("tokens:mint")
def try_url(link_id: int) -> AnyResponse:
    """A short-lived URL of the visitor that links are tried as."""

    def work() -> AnyResponse:
        made = tokens.mint_trial(access.desk(), link_id)
        return _page(_ready(link_id, made))

    return attempt(work, lambda: show(link_id))


def _ready(link_id: int, trial: VisitorUrlOut | None = None) -> str:
    link = links.show(access.desk(), link_id)
    return render_template("links/ready.html", link=link, trial=trial, **_doors(link_id))


def _doors(link_id: int) -> dict[str, object]:
    """The root URL, for those who may speak for FastGPT."""
    desk = access.desk()
    if not desk.may("links:write"):
        return {"root": None, "may_try": False}
    return {"root": links.find_keys(desk, link_id), "may_try": desk.may("tokens:mint")}


def _form(link_id: int | None) -> str:
    desk = access.desk()
    link = None if link_id is None else links.show(desk, link_id)
    return render_template(
        "links/edit.html",
        link=link,
        choices=links.choices(desk),
        codes=SPOKEN,
        defaults=MESSAGES,
        locales=LOCALES,
        typed=_typed(request.form) if request.form else None,
    )


def _typed(form: MultiDict[str, str]) -> dict[str, object]:
    """What macros do not keep by themselves when a form is shown again."""
    return {"opened_by": form.get("opened_by"), "issuers": form.getlist("issuer")}


def _stated() -> dict[str, object]:
    is_any = request.form.get("opened_by") != "chosen"
    values: dict[str, object] = {
        "share_url": fields.optional("share_url"),
        "locale": fields.optional("locale"),
        "messages": _messages(),
        "issuers": None if is_any else request.form.getlist("issuer"),
        "allows_guests": fields.checked("allows_guests"),
        "guest_plan_id": fields.optional("guest_plan_id"),
        "price_multiplier": fields.optional("price_multiplier") or "1",
        "counting": fields.optional("counting") or "auto",
    }
    return values | {name: fields.limits(model, name) for name, model in LIMITS}


def _messages() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for code in SPOKEN:
        for locale in LOCALES:
            if (text := fields.optional(f"message.{code}.{locale}")) is not None:
                found.setdefault(code, {})[locale] = text.replace("\r\n", "\n")
    return found


def _page(html: str) -> Response:
    return Response(html, content_type="text/html; charset=utf-8")
