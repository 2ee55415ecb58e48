"""The audit: find, look at, take away."""

from flask import flash, render_template, request

from app.admin import access, wording
from app.admin.pages import times
from app.admin.pages.section import AnyResponse, section, validated
from app.admin.resources import audit
from app.admin.resources.audit import AuditFilter, AuditQuery
from app.errors import Invalid
from app.pagekit import tables

blueprint = section("audit", "/audit")

FILTERS = ("actor", "source", "action", "object_type", "object_id", "reason")


@blueprint.get("/")
@access.allow("audit:read")
def index() -> str:
    try:
        query = validated(AuditQuery, {**_filters(), "cursor": request.args.get("cursor")})
    except Invalid as problem:
        flash(wording.told(problem), "danger")
        query = AuditQuery()
    asked = {name: value for name, value in request.args.items() if name != "cursor"}
    return render_template("audit/index.html", page=audit.index(access.desk(), query), asked=asked)


@blueprint.get("/<int:entry>")
@access.allow("audit:read")
def show(entry: int) -> str:
    found = audit.show(access.desk(), entry)
    return render_template("audit/show.html", entry=found, changes=audit.changes(found))


@blueprint.get("/export.csv")
@access.allow("audit:read")
def export_csv() -> AnyResponse:
    wanted = validated(AuditFilter, _filters()).wanted
    rows = (audit.cells(one) for one in audit.everything(access.desk(), wanted))
    return tables.csv_response(
        audit.COLUMNS, rows, "audit", with_bom=request.args.get("bom") == "1"
    )


@blueprint.get("/export.jsonl")
@access.allow("audit:read")
def export_lines() -> AnyResponse:
    wanted = validated(AuditFilter, _filters()).wanted
    rows = (one.model_dump() for one in audit.everything(access.desk(), wanted))
    return tables.json_lines_response(rows, "audit")


def _filters() -> dict[str, object]:
    zone = access.desk().settings.zone
    typed: dict[str, object] = {name: request.args.get(name) or None for name in FILTERS}
    typed["since"] = times.begins(request.args.get("since"), zone)
    typed["until"] = times.ends(request.args.get("until"), zone)
    return typed
