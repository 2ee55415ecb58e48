"""What needs somebody: spool, quarantine, questions without a finish, checks."""

from datetime import timedelta

from flask import flash, render_template, request

from app.admin import access, wording
from app.admin.pages import fields, times
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import findings, open_questions, self_audit
from app.admin.resources.findings import QuarantineQuery, ReplayIn, ResolveIn, UnfinishedQuery
from app.errors import Conflict, Invalid, NotFound
from app.pagekit.languages import gettext as _

blueprint = section("findings", "/findings")

LATELY = timedelta(days=7)


@blueprint.get("/")
@access.allow("findings:read")
def index() -> str:
    desk = access.desk()
    lately = UnfinishedQuery(since=desk.now - LATELY, limit=1)
    return render_template(
        "findings/index.html",
        spool=findings.spool(desk),
        quarantined=findings.count_quarantined(desk),
        unfinished=findings.unfinished(desk, lately),
        found=self_audit.count_open(desk),
        open_now=open_questions.show(desk).count,
    )


@blueprint.get("/checks")
@access.allow("findings:read")
def checks() -> str:
    offline = request.args.get("calls") != "1"
    found = findings.checks(access.desk(), offline=offline)
    return render_template("findings/checks.html", found=found, offline=offline)


@blueprint.get("/spool")
@access.allow("findings:read")
def spool() -> str:
    desk = access.desk()
    return render_template(
        "findings/spool.html", spool=findings.spool(desk), aside=findings.aside(desk)
    )


@blueprint.post("/spool/replay")
@access.allow("findings:write")
def replay() -> AnyResponse:
    """One finish, or all that are set aside."""

    def work() -> AnyResponse:
        one = fields.optional("reference")
        asked = validated(ReplayIn, {"references": [one] if one else []})
        put_back = findings.replay(access.desk(), asked).put_back
        said = _("%(count)s put back: they are settled within seconds.", count=put_back)
        return done(said, "findings.spool")

    return attempt(work, spool)


@blueprint.get("/quarantine")
@access.allow("findings:read")
def quarantine() -> str:
    with_resolved = request.args.get("resolved") == "1"
    query = validated(
        QuarantineQuery,
        {"cursor": request.args.get("cursor"), "with_resolved": with_resolved},
    )
    return render_template(
        "findings/quarantine.html",
        page=findings.quarantine(access.desk(), query),
        with_resolved=with_resolved,
    )


@blueprint.get("/quarantine/<reference>")
@access.allow("findings:read")
def kept(reference: str) -> str:
    desk = access.desk()
    return render_template(
        "findings/kept.html",
        kept=findings.quarantined(desk, reference),
        body=findings.quarantined_body(desk, reference) if desk.may("findings:write") else None,
    )


@blueprint.post("/quarantine/<reference>")
@access.allow("findings:write")
def resolve(reference: str) -> AnyResponse:
    def work() -> AnyResponse:
        asked = validated(ResolveIn, {"resolution": request.form.get("resolution", "")})
        findings.resolve(access.desk(), reference, asked)
        said = _("%(reference)s is resolved.", reference=reference)
        return done(said, "findings.quarantine")

    return attempt(work, lambda: kept(reference))


@blueprint.get("/open")
@access.allow("findings:read")
def opened() -> str:
    return render_template("findings/open.html", found=open_questions.show(access.desk()))


@blueprint.get("/unfinished")
@access.allow("findings:read")
def unfinished() -> str:
    desk = access.desk()
    try:
        page = findings.unfinished(desk, _unfinished_query())
    except (Invalid, Conflict, NotFound) as problem:
        flash(wording.told(problem), "danger")
        page = findings.unfinished(desk, UnfinishedQuery(since=desk.now - LATELY))
    return render_template(
        "findings/unfinished.html",
        page=page,
        since=(desk.now - LATELY).astimezone(desk.settings.zone).date().isoformat(),
    )


def _unfinished_query() -> UnfinishedQuery:
    desk = access.desk()
    zone = desk.settings.zone
    return validated(
        UnfinishedQuery,
        {
            "since": times.begins(request.args.get("since"), zone) or desk.now - LATELY,
            "until": times.ends(request.args.get("until"), zone),
            "link": request.args.get("link") or None,
            "user": request.args.get("user") or None,
            "is_late": {"late": True, "open": False}.get(request.args.get("finish", "")),
            "cursor": request.args.get("cursor"),
        },
    )
