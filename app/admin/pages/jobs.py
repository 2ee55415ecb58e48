"""Long work: what runs, how far it is, what came of it."""

from flask import render_template, request

from app.admin import access
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import jobs
from app.admin.resources.jobs import JobQuery, JobReason
from app.pagekit.languages import gettext as _

blueprint = section("jobs", "/jobs")


@blueprint.get("/")
@access.allow("jobs:read")
def index() -> str:
    query = validated(JobQuery, fields.query(request.args))
    return render_template("jobs/index.html", page=jobs.index(access.desk(), query), query=query)


@blueprint.get("/<int:job_id>")
@access.allow("jobs:read")
def show(job_id: int) -> str:
    return render_template("jobs/show.html", job=jobs.show(access.desk(), job_id))


@blueprint.post("/<int:job_id>/cancel")
@access.allow("jobs:write")
def cancel(job_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        why = validated(JobReason, {"reason": fields.optional("reason")})
        job = jobs.cancel(access.desk(), job_id, why.reason)
        said = (
            _("The job is cancelled.") if job.is_over else _("The job stops after its next step.")
        )
        return done(said, "jobs.show", job_id=job_id)

    return attempt(work, lambda: show(job_id))
