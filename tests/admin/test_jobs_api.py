"""Long work by the JSON API."""

import pytest
from app.background.runner import Runner
from app.jobs import leases
from app.jobs.leases import Progress

PARAMETERS = {
    "since": "2026-11-01T00:00:00+08:00",
    "until": "2026-12-01T00:00:00+08:00",
    "price": "in-force",
    "reason": "priced too high",
    "expect": "3f0c9a1b2d4e5f60",
}


@pytest.fixture(scope="module")
def program(house):
    return house.program("jobs:read", "jobs:write", "prices:write")


@pytest.fixture(autouse=True)
def nothing_waits(house):
    """Whatever another test has left is done."""
    runner = Runner(house.runtime, clock=lambda: house.now)
    while runner.run_next():
        pass


def start(program, **said):
    body = {"kind": "rerate", "parameters": PARAMETERS | said}
    return program.post("/jobs", body, status=202)


def test_work_is_asked_for_done_and_looked_up(house, program):
    job = start(program)
    assert job["state"] == "queued"
    assert job["parameters"]["expect"] == PARAMETERS["expect"]
    assert Runner(house.runtime, clock=lambda: house.now).run_next()
    after = program.get(f"/jobs/{job['id']}")
    assert (after["state"], after["error_code"]) == ("failed", "preview_changed")
    assert job["id"] in {one["id"] for one in program.get("/jobs?state=failed")["items"]}


def test_running_work_shows_how_far_it_is_and_stops(house, program):
    job = start(program)
    with house.db.begin() as session:
        lease = leases.take(session, house.now, ["rerate"])
        leases.advance(session, lease, Progress(done=3, total=12, message="booking"), house.now)
    shown = program.get(f"/jobs/{job['id']}")
    assert (shown["state"], shown["done"], shown["total"]) == ("running", 3, 12)
    path = f"/jobs/{job['id']}/cancel"
    assert program.post(path, {"reason": "wrong month"}, status=200)["is_stopping"]
    with house.db.begin() as session:
        leases.stop(session, lease, house.now)
    assert program.get(f"/jobs/{job['id']}")["state"] == "cancelled"


def test_a_job_that_ended_is_not_cancelled(house, program):
    job = start(program)
    Runner(house.runtime, clock=lambda: house.now).run_next()
    problem = program.post(f"/jobs/{job['id']}/cancel", {}, status=409)
    assert problem["code"] == "job_finished"


def test_lists_come_in_pages_that_join(program):
    made = [start(program)["id"] for _ in range(3)]
    first = program.get("/jobs?limit=2")
    rest = program.get("/jobs", query_string={"cursor": first["next"], "limit": 1})
    found = [one["id"] for one in (*first["items"], *rest["items"])]
    assert found == made[::-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": "9999-12-31T23:00:00-14:00"},
        {"price": 2**63},
        {"link_id": 2**70},
        {"reason": "\0"},
        {"expect": "no digest"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_senseless_parameters_are_refused(program, wrong):
    program.post("/jobs", {"kind": "rerate", "parameters": PARAMETERS | wrong}, status=422)


def test_only_who_may_change_prices_starts_it(house, program):
    job = start(program)
    reader = house.program("jobs:read")
    reader.post("/jobs", {"kind": "rerate", "parameters": PARAMETERS}, status=403)
    reader.post(f"/jobs/{job['id']}/cancel", {}, status=403)
    reader.get(f"/jobs/{2**64}", status=404)


@pytest.mark.parametrize(
    "said", [{"user_id": False}, {"user_id": "1"}, {"link_id": True}, {"allow_negative": 0}]
)
def test_a_truth_is_no_number_and_a_number_is_no_truth(program, said):
    body = {"kind": "rerate", "parameters": PARAMETERS | said}
    program.post("/jobs", body, status=422)
