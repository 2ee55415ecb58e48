"""Whether the parts of the service work, and what waits for somebody to look at it."""

from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin.desk import Desk
from app.alerts import store as alert_store
from app.findings import store as finding_store
from app.jobs import store as job_store
from app.metering import store as metering_store


class HealthOut(BaseModel):
    """Counts are null where the caller may not see what is counted."""

    database: Literal["postgresql", "sqlite"]
    is_redis_there: bool
    spool_waiting: int = Field(description="Finishes kept on disk until the database takes them.")
    spool_rejected: int = Field(description="Finishes that were set aside.")
    spool_damaged: int
    jobs_running: int | None
    jobs_failed: int | None = Field(description="Of the latest jobs.")
    alerts_open: int | None
    findings_open: int | None
    quarantined: int | None = Field(description="Finishes that could not be recorded.")
    questions_open: int | None = Field(
        description="Questions that wait for their finish now; null also while Redis is away."
    )


JOBS_LOOKED_AT = 50


def show(desk: Desk) -> HealthOut:
    """Cheap enough to be asked for with each page."""
    spool = desk.runtime.spool.status()
    questions = desk.gate.open_questions(0) if desk.may("findings:read") else None
    with desk.db.read() as session:
        alerts = alert_store.count_open(session) if desk.may("alerts:read") else None
        sees_findings = desk.may("findings:read")
        findings = finding_store.count_open(session) if sees_findings else None
        running, failed = _jobs(session) if desk.may("jobs:read") else (None, None)
        return HealthOut(
            database="postgresql" if desk.db.dialect == "postgresql" else "sqlite",
            is_redis_there=desk.gate.ping(),
            spool_waiting=spool.records,
            spool_rejected=spool.rejected,
            spool_damaged=spool.damaged,
            jobs_running=running,
            jobs_failed=failed,
            alerts_open=None if alerts is None else sum(alerts.values()),
            findings_open=None if findings is None else sum(one.count for one in findings),
            quarantined=metering_store.count_quarantined(session) if sees_findings else None,
            questions_open=None if questions is None else questions.count,
        )


def _jobs(session: Session) -> tuple[int, int]:
    running = job_store.list_page(session, state="running", limit=JOBS_LOOKED_AT)
    latest = job_store.list_page(session, limit=JOBS_LOOKED_AT)
    return len(running), sum(job.state == "failed" for job in latest)
