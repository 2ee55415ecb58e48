"""Long work in the console."""

import pytest
from app.admin.resources.jobs import RerateParameters
from app.audit.journal import Actor
from app.background import handlers
from app.background.rerate import KIND
from app.jobs import leases
from app.jobs.leases import Progress

PARAMETERS = RerateParameters.model_validate(
    {
        "since": "2026-11-01T00:00:00+08:00",
        "until": "2026-12-01T00:00:00+08:00",
        "price": 7,
        "reason": "priced too high",
        "expect": "3f0c9a1b2d4e5f60",
    }
)


@pytest.fixture
def job(house):
    """One that runs and is a quarter done."""
    with house.db.begin() as session:
        actor = Actor("ann", "admin")
        made = handlers.enqueue(session, KIND, PARAMETERS, actor=actor, now=house.now).id
    with house.db.begin() as session:
        lease = leases.take(session, house.now, [KIND])
        assert lease.job_id == made
        leases.advance(session, lease, Progress(done=3, total=12), house.now)
    yield lease
    with house.db.begin() as session:
        leases.stop(session, lease, house.now)


def test_work_that_runs_shows_how_far_it_is_and_who_asked(house, job):
    browser = house.browser("viewer")
    for path in ("/admin/jobs/?state=running", f"/admin/jobs/{job.job_id}"):
        body = browser.get(path)
        assert 'max="12" value="3"' in body
        assert "data-reload-s" in body
        assert "ann" in browser.text()
    assert "priced too high" in browser.text()
    assert "Cancel the job" not in browser.text()
    browser.post(f"/admin/jobs/{job.job_id}/cancel", status=403)


def test_work_is_cancelled(house, job):
    browser = house.browser("finance")
    browser.get(f"/admin/jobs/{job.job_id}")
    browser.post(f"/admin/jobs/{job.job_id}/cancel", reason="wrong month")
    assert "The job stops after its next step." in browser.text()
    assert "stopping" in browser.text()


def test_a_failure_is_told_in_the_language_of_the_page(house):
    with house.db.begin() as session:
        actor = Actor("ann", "admin")
        handlers.enqueue(session, KIND, PARAMETERS, actor=actor, now=house.now)
    with house.db.begin() as session:
        lease = leases.take(session, house.now, [KIND])
        leases.fail(session, lease, code="preview_changed", message="it is not", now=house.now)
    body = house.browser("viewer", locale="zh").get(f"/admin/jobs/{lease.job_id}")
    assert "与预览时已不同" in body
    assert "it is not" not in body
    assert "data-reload-s" not in body


def test_what_is_not_there_is_said(house):
    browser = house.browser("viewer")
    assert "No job matches" in browser.get("/admin/jobs/?state=done&asked_by=nobody")
    browser.get("/admin/jobs/999999", status=404)
    browser.get("/admin/jobs/99999999999999999999", status=404)
    browser.get("/admin/jobs/?state=asleep", status=422)
