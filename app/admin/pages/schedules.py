"""What is made and sent regularly: add, change, run, switch off, remove."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import render_template, request

from app.admin import access, delivery_words, usage_words
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.resources import destinations, exports, saved_views, schedules
from app.admin.resources.asking import link_names
from app.admin.resources.saved_views import ViewQuery
from app.errors import Invalid, NotFound
from app.pagekit.languages import gettext as _
from app.schedules.commands import ScheduleChange, ScheduleSpec
from app.schedules.kinds import KINDS

ONE = "/<int:schedule_id>"
blueprint = section("schedules", "/schedules")


@blueprint.context_processor
def words() -> dict[str, object]:
    return {**delivery_words.NAMES, "kinds": tuple(KINDS.makers)}


@blueprint.get("/")
@access.allow("deliveries:read")
def index() -> str:
    desk = access.desk()
    return render_template(
        "schedules/index.html",
        schedules=schedules.index(desk).items,
        destinations={one.id: one for one in destinations.index(desk).items},
    )


@blueprint.get("/new")
@access.allow("deliveries:write")
def new() -> str:
    kind = request.args.get("kind") or next(iter(KINDS.makers))
    if kind not in KINDS.makers:
        raise NotFound(_("There is no such page."))
    return _form("schedules/new.html", None, kind)


@blueprint.post("/new")
@access.allow("deliveries:write")
def add() -> AnyResponse:
    def work() -> AnyResponse:
        kind = request.form.get("kind", "")
        values = {"name": request.form.get("name", "").strip(), "kind": kind, **_stated(kind)}
        made = schedules.add(access.desk(), validated(ScheduleSpec, values))
        said = _("Schedule %(name)s is set up. Run it now to see what it sends.", name=made.name)
        return done(said, "schedules.show", schedule_id=made.id)

    return attempt(work, new)


@blueprint.get(ONE)
@access.allow("deliveries:read")
def show(schedule_id: int) -> str:
    desk = access.desk()
    query = validated(PageQuery, fields.query(request.args))
    page = schedules.runs(desk, schedule_id, query)
    found = schedules.show(desk, schedule_id)
    return _form("schedules/show.html", found, found.kind, page=page)


@blueprint.post(ONE)
@access.allow("deliveries:write")
def change(schedule_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        desk = access.desk()
        kind = schedules.show(desk, schedule_id).kind
        changed = schedules.update(desk, schedule_id, validated(ScheduleChange, _stated(kind)))
        said = _("Schedule %(name)s is changed.", name=changed.name)
        return done(said, "schedules.show", schedule_id=schedule_id)

    return attempt(work, lambda: show(schedule_id))


@blueprint.post(f"{ONE}/switch")
@access.allow("deliveries:write")
def switch(schedule_id: int) -> AnyResponse:
    is_on = request.form.get("on") == "1"

    def work() -> AnyResponse:
        wanted = ScheduleChange(is_enabled=is_on)
        name = schedules.update(access.desk(), schedule_id, wanted).name
        said = (
            _("%(name)s runs again from its next time on.", name=name)
            if is_on
            else _("%(name)s does not run any more.", name=name)
        )
        return done(said, "schedules.show", schedule_id=schedule_id)

    return attempt(work, lambda: show(schedule_id))


@blueprint.post(f"{ONE}/run")
@access.allow("deliveries:write")
def run(schedule_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        made = schedules.run_now(access.desk(), schedule_id)
        said = _("%(period)s is being made; the page follows by itself.", period=made.period)
        return done(said, "schedules.show", schedule_id=schedule_id)

    return attempt(work, lambda: show(schedule_id))


@blueprint.post(f"{ONE}/runs/<int:run_id>/again")
@access.allow("deliveries:write")
def again(schedule_id: int, run_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        made = schedules.run_again(access.desk(), run_id)
        said = _("%(period)s is being made; the page follows by itself.", period=made.period)
        return done(said, "schedules.show", schedule_id=schedule_id)

    return attempt(work, lambda: show(schedule_id))


@blueprint.post(f"{ONE}/remove")
@access.allow("deliveries:write")
def remove(schedule_id: int) -> AnyResponse:
    name = schedules.remove(access.desk(), schedule_id)
    return done(_("Schedule %(name)s is gone.", name=name), "schedules.index")


def _form(template: str, found: object, kind: str, **more: object) -> str:
    desk = access.desk()
    return render_template(
        template,
        schedule=found,
        kind=kind,
        cadences=KINDS.makers[kind].cadences or KINDS.cadences if kind in KINDS.makers else (),
        tables=[(one.name, usage_words.EXPORTS[one.name][0]) for one in exports.mine(desk)],
        formats=[(name, words[0]) for name, words in usage_words.FORMATS.items()],
        link_choices=[(name, name) for name in link_names(desk)],
        destinations=destinations.index(desk).items,
        views=saved_views.index(desk, ViewQuery(page="usage")).items,
        default_zone=desk.settings.service.time_zone,
        default_locale=desk.settings.service.locale,
        **more,
    )


def _report() -> dict[str, Any]:
    return {
        "view_id": fields.optional("view_id"),
        "locale": request.form.get("locale"),
        "bom": fields.checked("bom"),
    }


def _any() -> dict[str, Any]:
    try:
        given = json.loads(request.form.get("parameters") or "{}")
    except (ValueError, RecursionError):
        raise Invalid(_("The parameters are not JSON."), code="schedule_invalid") from None
    if not isinstance(given, dict):
        raise Invalid(_("The parameters are not JSON."), code="schedule_invalid")
    return given


def _export() -> dict[str, Any]:
    return {
        "table": request.form.get("table"),
        "format": request.form.get("format"),
        "link": fields.optional("link"),
        "user": fields.optional("user"),
        "kind": fields.optional("kind_of"),
        "locale": request.form.get("locale"),
        "bom": fields.checked("bom"),
        "gzip": fields.checked("gzip"),
    }


def _statements() -> dict[str, Any]:
    return {
        "locale": request.form.get("locale"),
        "bom": fields.checked("bom"),
        "pdf": fields.checked("pdf"),
    }


PARAMETERS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "report": _report,
    "export": _export,
    "statements": _statements,
}
"""Kind: how its fields (``schedules/kinds/<kind>.html``) are read. Others are typed as JSON."""


def _stated(kind: str) -> dict[str, Any]:
    values: dict[str, Any] = {name: request.form.get(name) for name in ("every", "at", "time_zone")}
    values |= {name: fields.optional(name) or default for name, default in _NUMBERS.items()}
    values["destination_ids"] = request.form.getlist("destination_ids")
    return values | {"parameters": PARAMETERS.get(kind, _any)()}


_NUMBERS = {"weekday": 0, "day": 1}
