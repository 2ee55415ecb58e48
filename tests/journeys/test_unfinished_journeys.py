"""A question whose finish never comes is written down once, whoever is killed meanwhile."""

import contextlib
import json
import time
import uuid

import psutil
import pytest
from app.plans.commands import PlanSpec
from app.tokens import issuer_commands
from app.tokens.issuers import IssuerSpec
from test_outage_journeys import Production, charged, metric

from running_service import ACTOR, Service, start_service, wait_for

TICKET_TTL_S = 5
SETTINGS = {"SHAREAUTH_ADMISSION__TICKET_TTL_S": str(TICKET_TTL_S)}
GUEST = "shareChat-1754557200000-abcdefghijklmnopqrstuvwx"
NODES = [{"id": "n", "totalPoints": 1}]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedded(private_dir):
    service = start_service(SETTINGS, private_dir / f"unfinished-{uuid.uuid4().hex[:6]}")
    yield service
    service.stop()


@pytest.fixture(scope="module")
def production(private_dir, postgres_url):
    made = Production(private_dir, postgres_url, **SETTINGS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def replica(private_dir, production):
    """Another machine on the same database and Redis, whose jobs wait for the first one's end."""
    folder = private_dir / f"replica-{uuid.uuid4().hex[:6]}"
    names = ("DATABASE__URL", "REDIS__URL", "SERVICE__SECRET_KEY", "SERVICE__WORKERS")
    environ = {f"SHAREAUTH_{n}": production.service.environ[f"SHAREAUTH_{n}"] for n in names}
    service = start_service({**environ, **SETTINGS}, folder)
    yield service
    service.stop()


def unfinished(service: Service, subject: str) -> list:
    return service.rows(
        "SELECT t.finished_late_at, t.finished_by FROM unfinished_turns t"
        " JOIN users u ON u.id = t.user_id WHERE u.subject = :subject",
        subject=subject,
    )


def wait_for_another_pass(service: Service, link) -> None:
    """Until a question that is asked now, and with it everything before it, is written down."""
    subject, token = service.add_user()
    assert link.start(token)["success"] is True
    wait_for(lambda: len(unfinished(service, subject)) == 1, service.log)


def test_every_question_without_a_finish_is_written_down_and_no_other(embedded):
    service, link = embedded, embedded.add_link(allows_guests=True)
    (lost, lost_token), (done, done_token) = service.add_user(), service.add_user()
    assert all(link.start(token)["success"] for token in (lost_token, lost_token, GUEST))
    other = service.add_link()
    assert other.start(done_token)["success"] is True
    assert other.finish(done_token, NODES)["success"] is True
    wait_for_another_pass(service, other)

    assert len(unfinished(service, lost)) == 2
    assert unfinished(service, done) == []
    key = link.url.rsplit("/", 1)[1]
    shown = json.loads(service.cli("turns", "unfinished", f"--link={key}", "--json"))
    assert (shown["unfinished"], shown["expected_charge"]) == (3, "0.2")  # guests are free
    assert [turn["is_guest"] for turn in shown["turns"]].count(True) == 1
    assert metric(service, 'shareauth_unfinished_turns_total{outcome="recorded"}') >= 4
    wait_for_another_pass(service, other)
    assert len(unfinished(service, lost)) == 2


def test_finish_after_the_expiry_is_charged_and_marks_its_question(embedded):
    service, link = embedded, embedded.add_link()
    (soon, soon_token), (later, later_token) = service.add_user(), service.add_user()
    link.start(soon_token)
    link.start(later_token)
    time.sleep(TICKET_TTL_S + 0.5)
    assert link.finish(soon_token, NODES)["success"] is True
    wait_for(lambda: len(unfinished(service, later)) == 1, service.log)
    [turn] = unfinished(service, later)
    assert turn.finished_late_at is None
    assert link.finish(later_token, NODES)["success"] is True
    assert link.finish(later_token, NODES)["success"] is True  # the same once more
    for subject in (soon, later):
        wait_for(lambda subject=subject: is_finished_late(service, subject), service.log)
        assert charged(service, subject) == 10**9


def is_finished_late(service: Service, subject: str) -> bool:
    turns = unfinished(service, subject)
    assert len(turns) <= 1
    return [turn for turn in turns if turn.finished_late_at and turn.finished_by] != []


def test_questions_of_chat_platforms_are_not_missed(embedded):
    service, name = embedded, f"wecom-{uuid.uuid4().hex[:8]}"
    desk = service.desk()
    with desk.change() as session:
        spec = IssuerSpec(name=name, kind="channel", pattern="wx[0-9a-f]{32}")
        issuer_commands.create_issuer(session, spec, keys=desk.keys, actor=ACTOR, now=desk.now)
    desk.close()
    subject = f"wx{uuid.uuid4().hex}"
    link = service.add_link(issuers=(name,))
    assert link.start(subject)["code"] == "balance_too_low"
    service.cli("ledger", "top-up", subject, "10", "--reason", "test")
    assert link.start(subject)["success"] is True
    wait_for_another_pass(service, service.add_link())
    assert unfinished(service, subject) == []


def test_killed_workers_and_a_new_leader_write_down_each_question_once(production, replica):
    service = production.service
    link = service.add_link()
    subject, token = service.add_user(plan=PlanSpec(name=uuid.uuid4().hex))
    done, done_token = service.add_user(plan=PlanSpec(name=uuid.uuid4().hex))
    for number in range(6):
        assert link.start(token)["success"] is True
        assert link.start(done_token)["success"] is True
        assert link.finish(done_token, [{"id": f"n{number}", "totalPoints": 1}])["success"] is True
    for child in psutil.Process(service.process.pid).children():  # the leader of the jobs too
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    wait_for(lambda: len(unfinished(replica, subject)) == 6, replica.log)
    wait_for_another_pass(replica, link)
    assert len(unfinished(replica, subject)) == 6
    assert unfinished(replica, done) == []
    assert charged(replica, done) == 6 * 10**9


def test_flushed_redis_forgets_open_questions_and_their_finishes_are_charged(production):
    service = production.service
    link, (subject, token) = service.add_link(), service.add_user()
    assert link.start(token)["success"] is True
    production.redis.client().flushall()
    wait_for_another_pass(service, link)
    assert link.finish(token, NODES)["success"] is True
    wait_for_another_pass(service, link)
    assert unfinished(service, subject) == []
    assert charged(service, subject) == 10**9
