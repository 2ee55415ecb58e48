"""Who runs a job: one runner at a time, and another when it is dead."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.jobs import commands, leases, store
from app.jobs.commands import JobFinished, JobSpec
from app.jobs.leases import ATTEMPTS_MAX, LEASE, RETRY_AFTER, LeaseLost, Progress

ACTOR = Actor("alice", "cli")
LATE = LEASE + timedelta(seconds=1)


def ask(db, now, kind="count"):
    with db.begin() as session:
        return commands.enqueue(session, JobSpec(kind, {"to": 3}), actor=ACTOR, now=now).id


def take(db, now):
    return db.run(lambda session: leases.take(session, now, {"count"}))


def job(db, job_id):
    with db.read() as session:
        return store.get(session, job_id)


def cancel(db, job_id, now):
    with db.begin() as session:
        commands.cancel(session, job_id, actor=ACTOR, now=now)


def test_the_oldest_waiting_job_is_taken_and_ends(db, now):
    first, second = ask(db, now), ask(db, now)
    lease = take(db, now)
    assert (lease.job_id, lease.parameters, lease.saved) == (first, {"to": 3}, None)
    assert take(db, now).job_id == second
    assert take(db, now) is None
    with db.begin() as session:
        leases.advance(session, lease, Progress(1, 3, "counting", {"at": 1}), now)
    assert (job(db, first).done, job(db, first).total, job(db, first).state) == (1, 3, "running")
    with db.begin() as session:
        leases.finish(session, lease, {"sum": 6}, now)
    ended = commands.describe(job(db, first))
    assert (ended["state"], ended["done"], ended["result"]) == ("done", 3, {"sum": 6})
    assert ended["finished_at"] == now.isoformat()


def test_parallel_runners_take_each_job_once(db, now):
    wanted = {ask(db, now) for _ in range(12)}
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take(db, now), range(20)))
    taken = [lease.job_id for lease in taken if lease is not None]
    # Passing by what another is just taking may leave a runner empty-handed; it looks again.
    while (lease := take(db, now)) is not None:
        taken.append(lease.job_id)
    assert sorted(taken) == sorted(wanted)


def test_a_dead_runners_job_goes_on_from_what_it_noted(db, now):
    job_id = ask(db, now)
    dead = take(db, now)
    with db.begin() as session:
        leases.advance(session, dead, Progress(1, 3, None, {"at": 1}), now)
    assert take(db, now + LEASE) is None
    heir = take(db, now + LATE)
    assert (heir.job_id, heir.saved) == (job_id, {"at": 1})
    # It was only slow, and may do no more: the transaction it is in is undone.
    for write in (
        lambda session: leases.advance(session, dead, Progress(2), now + LATE),
        lambda session: leases.finish(session, dead, {}, now + LATE),
        lambda session: leases.prolong(session, dead, now + LATE),
        lambda session: leases.give_back(session, dead, now + LATE, counts=False),
    ):
        with pytest.raises(LeaseLost), db.begin() as session:
            write(session)
    assert (job(db, job_id).done, job(db, job_id).runner) == (1, heir.runner)


def test_a_sign_of_life_keeps_the_job(db, now):
    ask(db, now)
    lease = take(db, now)
    with db.begin() as session:
        assert leases.prolong(session, lease, now + LEASE) is False
    assert take(db, now + LATE) is None


def test_what_was_away_is_waited_for_and_a_stopping_worker_gives_back_at_once(db, now):
    job_id = ask(db, now)
    lease = take(db, now)
    with db.begin() as session:
        leases.give_back(session, lease, now, counts=True)
    assert take(db, now) is None
    lease = take(db, now + RETRY_AFTER)
    with db.begin() as session:
        leases.give_back(session, lease, now + RETRY_AFTER, counts=False)
    assert job(db, job_id).attempts == 1
    assert take(db, now + RETRY_AFTER) is not None


def test_a_job_that_gets_nowhere_is_given_up_and_one_that_does_is_not(db, now):
    job_id = ask(db, now)
    for number in range(ATTEMPTS_MAX):
        lease = take(db, now + number * LATE)
        if number == 1:
            with db.begin() as session:
                leases.advance(session, lease, Progress(1), now + number * LATE)
    assert take(db, now + ATTEMPTS_MAX * LATE) is not None
    assert take(db, now + (ATTEMPTS_MAX + 1) * LATE) is None
    given_up = job(db, job_id)
    assert (given_up.state, given_up.error_code) == ("failed", "job_gave_up")


def test_cancelling_stops_a_running_job_and_ends_a_waiting_one(db, now):
    running, waiting = ask(db, now), ask(db, now)
    lease = take(db, now)
    for job_id in (running, running, waiting, waiting):
        cancel(db, job_id, now)
    assert job(db, waiting).state == "cancelled"
    assert commands.describe(job(db, running))["is_stopping"] is True
    with db.begin() as session:
        assert leases.prolong(session, lease, now) is True
        assert leases.advance(session, lease, Progress(1), now) is True
        leases.stop(session, lease, now)
    assert job(db, running).state == "cancelled"
    with db.read() as session:
        actions = session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["jobs.enqueue"] * 2 + ["jobs.cancel"] * 2


def test_a_cancelled_job_of_a_dead_runner_is_not_begun_again(db, now):
    job_id = ask(db, now)
    take(db, now)
    cancel(db, job_id, now)
    assert take(db, now + LATE) is None
    assert job(db, job_id).state == "cancelled"


def test_what_has_ended_cannot_be_cancelled_and_is_forgotten_in_time(db, now):
    job_id, other = ask(db, now), ask(db, now)
    lease = take(db, now)
    with db.begin() as session:
        leases.fail(session, lease, code="x", message="no", now=now)
    with pytest.raises(JobFinished):
        cancel(db, job_id, now)
    with pytest.raises(store.JobNotFound):
        cancel(db, 4711, now)
    with db.begin() as session:
        assert store.prune(session, finished_before=now) == 0
        assert store.prune(session, finished_before=now + LEASE) == 1
    with db.read() as session:
        assert [one.id for one in store.list_page(session)] == [other]
