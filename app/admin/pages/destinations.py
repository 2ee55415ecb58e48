"""Where finished files go: add, try, change, pause, remove."""

from typing import Any

from flask import Response, flash, render_template, request

from app.admin import access, delivery_words
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, shown_once, validated
from app.admin.resources import destinations
from app.admin.resources.destinations import SecretOverlap
from app.deliveries.destination_commands import (
    FIELDS,
    KINDS,
    DestinationChange,
    DestinationSpec,
)
from app.errors import NotFound
from app.pagekit.languages import gettext as _

ONE = "/<int:destination_id>"
OVERLAPS_S = (0, 3600, 86400, 7 * 86400, 30 * 86400)
_SECRETS = ("access_key", "secret_key", "url")
"""What is left empty stays as it is."""

blueprint = section("destinations", "/destinations")


@blueprint.context_processor
def words() -> dict[str, object]:
    return dict(delivery_words.NAMES)


@blueprint.get("/")
@access.allow("deliveries:read")
def index() -> str:
    found = destinations.index(access.desk()).items
    return render_template("destinations/index.html", destinations=found)


@blueprint.get("/new")
@access.allow("deliveries:write")
def choose_kind() -> str:
    return render_template("destinations/kinds.html")


@blueprint.get("/new/<kind>")
@access.allow("deliveries:write")
def new(kind: str) -> str:
    if kind not in KINDS:
        raise NotFound(_("There is no such page."))
    locale = access.desk().settings.service.locale
    return render_template("destinations/new.html", kind=kind, default_locale=locale)


@blueprint.post("/new/<kind>")
@access.allow("deliveries:write")
def add(kind: str) -> AnyResponse:
    def work() -> AnyResponse:
        values = {"name": request.form.get("name", "").strip(), "kind": kind, **_stated(kind)}
        added = destinations.add(access.desk(), validated(DestinationSpec, values))
        made = added.destination
        if added.secret is not None:
            return _secret_once(made.id, made.name, added.secret)
        said = _("Files can go to %(name)s. Test it before you rely on it.", name=made.name)
        return done(said, "destinations.show", destination_id=made.id)

    return attempt(work, lambda: new(kind))


@blueprint.get(ONE)
@access.allow("deliveries:read")
def show(destination_id: int) -> str:
    found = destinations.show(access.desk(), destination_id)
    return render_template("destinations/show.html", destination=found, overlaps=OVERLAPS_S)


@blueprint.post(ONE)
@access.allow("deliveries:write")
def change(destination_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        kind = destinations.show(access.desk(), destination_id).kind
        wanted = validated(DestinationChange, _stated(kind))
        changed = destinations.update(access.desk(), destination_id, wanted)
        said = _("Destination %(name)s is changed.", name=changed.name)
        return done(said, "destinations.show", destination_id=destination_id)

    return attempt(work, lambda: show(destination_id))


@blueprint.post(f"{ONE}/switch")
@access.allow("deliveries:write")
def switch(destination_id: int) -> AnyResponse:
    is_on = request.form.get("on") == "1"
    wanted = DestinationChange(is_enabled=is_on)
    name = destinations.update(access.desk(), destination_id, wanted).name
    said = (
        _("Files go to %(name)s again.", name=name)
        if is_on
        else _("Nothing is sent to %(name)s any more; what is due waits.", name=name)
    )
    return done(said, "destinations.show", destination_id=destination_id)


@blueprint.post(f"{ONE}/test")
@access.allow("deliveries:write")
def test(destination_id: int) -> AnyResponse:
    found = destinations.probe(access.desk(), destination_id)
    if found.status == "taken":
        said = _("It works. %(said)s", said=found.said)
        return done(said, "destinations.show", destination_id=destination_id)
    flash(_("It does not work: %(said)s", said=found.said), "danger")
    return Response(show(destination_id))


@blueprint.post(f"{ONE}/rotate")
@access.allow("deliveries:write")
def rotate(destination_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        wanted = validated(SecretOverlap, {"overlap_s": request.form.get("overlap_s")})
        made = destinations.rotate_secret(access.desk(), destination_id, wanted)
        name = destinations.show(access.desk(), destination_id).name
        return _secret_once(destination_id, name, made.secret)

    return attempt(work, lambda: show(destination_id))


@blueprint.post(f"{ONE}/remove")
@access.allow("deliveries:write")
def remove(destination_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        name = destinations.remove(access.desk(), destination_id)
        return done(_("Files no longer go to %(name)s.", name=name), "destinations.index")

    return attempt(work, lambda: show(destination_id))


def _secret_once(destination_id: int, name: str, secret: str) -> AnyResponse:
    return shown_once(
        "destinations/secret.html", destination_id=destination_id, name=name, secret=secret
    )


def _stated(kind: str) -> dict[str, Any]:
    """What the form says of what the kind has; an empty secret is no change."""
    values: dict[str, Any] = {"locale": request.form.get("locale")}
    for name in next(names for known, names in FIELDS.items() if known == kind):
        typed = fields.optional(name)
        if name == "recipients":
            values[name] = (typed or "").replace("，", ",").replace(",", " ").split()
        elif typed is not None or (name not in _SECRETS and name in request.form):
            values[name] = typed or ""
    if not values.get("secret"):
        values.pop("secret", None)
    return values
