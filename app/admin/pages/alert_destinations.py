"""Where alerts go: add, try, change, silence, remove. Part of the pages of ``alerts``."""

from typing import Any

from flask import Response, flash, render_template, request

from app.admin import access, alert_wording
from app.admin.pages import fields
from app.admin.pages.alerts import blueprint
from app.admin.pages.section import AnyResponse, attempt, done, validated
from app.admin.resources import alert_destinations as destinations
from app.admin.resources.alert_destinations import RotateIn
from app.alerts.conditions import CONDITIONS
from app.alerts.destination_commands import KINDS, DestinationChange, DestinationSpec
from app.errors import NotFound
from app.pagekit.languages import gettext as _

__all__ = ("blueprint",)

ONE = "/destinations/<int:destination_id>"
OVERLAPS_S = (0, 3600, 86400, 7 * 86400, 30 * 86400)


@blueprint.get("/destinations")
@access.allow("alerts:read")
def destinations_index() -> str:
    found = destinations.index(access.desk()).items
    return render_template("alerts/destinations.html", destinations=found)


@blueprint.get("/destinations/new")
@access.allow("alerts:write")
def choose_kind() -> str:
    return render_template("alerts/kinds.html")


@blueprint.get("/destinations/new/<kind>")
@access.allow("alerts:write")
def new_destination(kind: str) -> str:
    if kind not in KINDS:
        raise NotFound(_("There is no such page."))
    service = access.desk().settings.service
    return render_template(
        "alerts/new_destination.html",
        kind=kind,
        destination=None,
        default_locale=service.locale,
        default_zone=service.time_zone,
    )


@blueprint.post("/destinations/new/<kind>")
@access.allow("alerts:write")
def add_destination(kind: str) -> AnyResponse:
    def work() -> AnyResponse:
        values = {"name": request.form.get("name", "").strip(), "kind": kind, **_stated()}
        added = destinations.add(access.desk(), validated(DestinationSpec, values))
        made = added.destination
        if added.secret is not None:
            return _secret_once(made.id, made.name, added.secret)
        said = _("Alerts go to %(name)s. Send a test to see whether they arrive.", name=made.name)
        return done(said, "alerts.destination", destination_id=made.id)

    return attempt(work, lambda: new_destination(kind))


@blueprint.get(ONE)
@access.allow("alerts:read")
def destination(destination_id: int) -> str:
    return render_template(
        "alerts/destination.html",
        destination=destinations.show(access.desk(), destination_id),
        overlaps=OVERLAPS_S,
    )


@blueprint.post(ONE)
@access.allow("alerts:write")
def change_destination(destination_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        change = validated(DestinationChange, _stated())
        changed = destinations.update(access.desk(), destination_id, change)
        said = _("Destination %(name)s is changed.", name=changed.name)
        return done(said, "alerts.destination", destination_id=destination_id)

    return attempt(work, lambda: destination(destination_id))


@blueprint.post(f"{ONE}/switch")
@access.allow("alerts:write")
def switch_destination(destination_id: int) -> AnyResponse:
    is_on = request.form.get("on") == "1"
    change = DestinationChange(is_enabled=is_on)
    name = destinations.update(access.desk(), destination_id, change).name
    said = (
        _("Alerts go to %(name)s again.", name=name)
        if is_on
        else _("Nothing is sent to %(name)s any more; what is due waits.", name=name)
    )
    return done(said, "alerts.destination", destination_id=destination_id)


@blueprint.post(f"{ONE}/test")
@access.allow("alerts:write")
def test_destination(destination_id: int) -> AnyResponse:
    verdict = destinations.test(access.desk(), destination_id)
    said = alert_wording.verdict(verdict.error)
    if verdict.error is None:
        return done(said, "alerts.destination", destination_id=destination_id)
    flash(said, "danger")
    return Response(destination(destination_id))


@blueprint.post(f"{ONE}/rotate")
@access.allow("alerts:write")
def rotate_destination(destination_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        wanted = validated(RotateIn, {"overlap_s": request.form.get("overlap_s")})
        made = destinations.rotate_secret(access.desk(), destination_id, wanted)
        name = destinations.show(access.desk(), destination_id).name
        return _secret_once(destination_id, name, made.secret)

    return attempt(work, lambda: destination(destination_id))


@blueprint.post(f"{ONE}/remove")
@access.allow("alerts:write")
def remove_destination(destination_id: int) -> AnyResponse:
    name = destinations.remove(access.desk(), destination_id)
    return done(_("Alerts no longer go to %(name)s.", name=name), "alerts.destinations_index")


def _secret_once(destination_id: int, name: str, secret: str) -> AnyResponse:
    """No redirect: the secret is in no cookie and no address, and gone with this page."""
    return Response(
        render_template(
            "alerts/secret.html", destination_id=destination_id, name=name, secret=secret
        )
    )


def _stated() -> dict[str, Any]:
    """What the form says; an empty address or secret is no change."""
    only = [one for one in request.form.getlist("conditions") if one in CONDITIONS]
    values: dict[str, Any] = {
        "locale": request.form.get("locale"),
        "min_severity": request.form.get("min_severity"),
        "conditions": only or None,
        "quiet_from": fields.optional("quiet_from"),
        "quiet_until": fields.optional("quiet_until"),
        "time_zone": fields.optional("time_zone"),
    }
    for name in ("url", "secret"):
        if (typed := fields.optional(name)) is not None:
            values[name] = typed
    if (typed := fields.optional("recipients")) is not None:
        values["recipients"] = typed.replace("，", ",").replace(",", " ").split()
    return values
