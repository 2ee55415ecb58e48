"""``/jobs``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import jobs
from app.admin.resources.jobs import JobOut, JobPage, JobQuery, JobReason, NewJob

section = Section("jobs", "Long work")


@section.get("/jobs", permission="jobs:read")
def list_jobs(desk: Desk, query: JobQuery) -> JobPage:
    """List long work, newest first."""
    return jobs.index(desk, query)


@section.post("/jobs", permission="prices:write", status=202)
def create_job(desk: Desk, body: NewJob) -> JobOut:
    """Have answers priced again by a worker.

    Ask for a preview first: its digest is `expect`, and whatever else would be booked is refused,
    which the job then says. So asking twice books nothing twice, and it takes no Idempotency-Key.
    `GET /jobs/{job_id}` says how far it is.
    """
    return jobs.create(desk, body)


@section.get("/jobs/<int:job_id>", permission="jobs:read")
def get_job(desk: Desk, job_id: int) -> JobOut:
    """Show one job: what was asked, how far it is, what came of it."""
    return jobs.show(desk, job_id)


@section.post("/jobs/<int:job_id>/cancel", permission="jobs:write")
def cancel_job(desk: Desk, job_id: int, body: JobReason) -> JobOut:
    """Have a job not begun, or stopped at its next step.

    What it did stays done. Asked twice it changes nothing.
    """
    return jobs.cancel(desk, job_id, body.reason)
