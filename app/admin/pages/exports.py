"""Files to take away: built here, made at once or by a worker."""

from collections.abc import Callable

from flask import Response, redirect, render_template, request, url_for

from app.admin import access, delivery_words, export_files, usage_words
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.paging import PageQuery
from app.admin.resources import destinations, exports
from app.admin.resources.asking import link_names
from app.admin.resources.export_shapes import (
    ExportDestination,
    ExportQuery,
    ExportReason,
    NewExport,
)
from app.exports import catalogue
from app.exports.catalogue import TABLES, Table
from app.exports.formats.registry import FORMATS
from app.pagekit.languages import gettext as _

blueprint = section("exports", "/exports")

FIELDS = ("month", "since", "until", "format", "link", "user", "kind")
BOXES = ("bom", "gzip")


@blueprint.context_processor
def words() -> dict[str, object]:
    return {"words": usage_words, "file_states": delivery_words.DELIVERY_STATES}


@blueprint.get("/")
@access.allow("usage:read")
def index() -> str:
    desk = access.desk()
    query = validated(
        ExportQuery,
        {
            "month": request.args.get("month") or exports.month_before(desk),
            "bom": bool(request.args.get("bom")),
        },
    )
    tables = exports.mine(desk)
    page = validated(PageQuery, fields.asked("cursor"))
    return render_template(
        "exports/index.html",
        query=query,
        tables=tables,
        table_options=[(table.name, usage_words.EXPORTS[table.name][0]) for table in tables],
        format_options=[
            (name, f"{usage_words.FORMATS[name][0]}: {usage_words.FORMATS[name][1]}")
            for name in FORMATS
        ],
        links=[(name, name) for name in link_names(desk)],
        page=exports.index(desk, page),
        zone=desk.settings.zone,
        closed=exports.closed_month(desk, query.month or ""),
        last_closed=exports.last_closed(desk),
        kept_days=desk.settings.exports.kept_days,
    )


@blueprint.post("/")
@access.allow("usage:read")
def create() -> AnyResponse:
    """Both ways begin here: a file at once is a redirection to its address."""

    def work() -> AnyResponse:
        new = validated(NewExport, {"table": fields.optional("table"), **_typed()})
        if request.form.get("how") == "job":
            made = exports.create(access.desk(), new)
            return done(_("A worker makes it."), "exports.show", export_id=made.id)
        told = {name: "1" if value is True else value for name, value in _typed().items()}
        return redirect(url_for("exports.download", table=new.table, **told), code=303)  # type: ignore[arg-type]

    return attempt(work, index)


@blueprint.get("/<table>/file")
@access.allow("usage:read")
def download(table: str) -> Response:
    found, desk = catalogue.get(table), access.desk()
    desk.check_permissions(found.permission)
    query = validated(ExportQuery, dict(request.args))
    return export_files.streamed(exports.stream(desk, found, query))


@blueprint.get("/<int:export_id>")
@access.allow("usage:read")
def show(export_id: int) -> str:
    desk = access.desk()
    can_send = desk.may("deliveries:write") and desk.may("deliveries:read")
    return render_template(
        "exports/show.html",
        export=exports.show(desk, export_id),
        destinations=destinations.index(desk).items if can_send else [],
        can_send=can_send,
    )


@blueprint.get("/<int:export_id>/files/<path:name>")
@access.allow("usage:read")
def file(export_id: int, name: str) -> Response:
    return export_files.kept(exports.file(access.desk(), export_id, name), name)


@blueprint.post("/<int:export_id>/send")
@access.allow("deliveries:write")
def send(export_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        where = validated(ExportDestination, {"destination_id": fields.optional("destination_id")})
        made = exports.send(access.desk(), export_id, where.destination_id)
        said = _("The files are on their way to %(name)s.", name=made.destination)
        return done(said, "exports.show", export_id=export_id)

    return attempt(work, lambda: show(export_id))


@blueprint.post("/<int:export_id>/remove")
@access.allow("usage:read")
def remove(export_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        why = validated(ExportReason, {"reason": fields.optional("reason")})
        exports.remove(access.desk(), export_id, why.reason)
        return done(_("The export is cancelled, or its files are removed."), "exports.index")

    return attempt(work, lambda: show(export_id))


def _typed() -> dict[str, object]:
    """What the form says; a month counts where no other period is typed."""
    typed: dict[str, object] = {
        name: value for name in FIELDS if (value := fields.optional(name)) is not None
    }
    if "since" in typed or "until" in typed:
        typed.pop("month", None)
    return typed | {name: True for name in BOXES if fields.checked(name)}


def _csv(table: Table) -> Callable[[], Response]:
    @access.allow(table.permission)
    def month_as_csv() -> Response:
        query = validated(ExportQuery, dict(request.args))
        return export_files.streamed(exports.stream(access.desk(), table, query))

    return month_as_csv


for _table in TABLES.values():
    blueprint.add_url_rule(f"/{_table.name}.csv", _table.name, _csv(_table))
