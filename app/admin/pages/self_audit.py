"""What the self-audit found."""

from flask import render_template, request

from app.admin import access, finding_wording
from app.admin.pages.alerts import subject_url
from app.admin.pages.section import section, validated
from app.admin.resources import self_audit
from app.admin.resources.self_audit import FindingQuery

blueprint = section("self_audit", "/self-audit")


@blueprint.get("/")
@access.allow("findings:read")
def index() -> str:
    with_resolved = request.args.get("resolved") == "1"
    query = validated(
        FindingQuery,
        {
            "cursor": request.args.get("cursor"),
            "code": request.args.get("code") or None,
            "with_resolved": with_resolved,
        },
    )
    return render_template(
        "self_audit/index.html",
        page=self_audit.index(access.desk(), query),
        with_resolved=with_resolved,
        words=finding_wording.words,
        scopes=finding_wording.SCOPES,
        subject_url=subject_url,
    )
