"""Redis away, the database away, a restart: what FastGPT gets meanwhile, and what stays true."""

import json
import signal
import threading
import time
import uuid
from datetime import UTC, datetime

import psutil
import pytest
import sqlalchemy as sa
from app.limits import VisitorLimits
from app.plans.commands import PlanSpec

from running_service import Root, Service, at_once, start_service, wait_for
from valkey_fixtures import ValkeyProcess
from zygote import NURSERY


class Production:
    """A service of its own whose Redis and database may be taken away."""

    def __init__(self, folder, postgres_url: str, **settings: str) -> None:
        self.name = f"outage_{uuid.uuid4().hex[:12]}"
        self.engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
        self.run_sql(f"CREATE DATABASE {self.name}")
        (folder / self.name).mkdir()
        self.redis = ValkeyProcess(folder / self.name)
        url = sa.make_url(postgres_url).set(database=self.name)
        environ = {
            "SHAREAUTH_DATABASE__URL": url.render_as_string(hide_password=False),
            "SHAREAUTH_REDIS__URL": self.redis.url,
            "SHAREAUTH_SERVICE__SECRET_KEY": "for tests only, for tests only, for tests",
            "SHAREAUTH_SERVICE__WORKERS": "2",
            "SHAREAUTH_SPOOL__AFTER_S": "20",  # a busy machine is no outage
            **settings,
        }
        self.service = start_service(environ, folder / f"{self.name}-data")

    def run_sql(self, statement: str) -> None:
        with self.engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def take_database_away(self) -> None:
        self.run_sql(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        self.run_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"
        )

    def bring_database_back(self) -> None:
        self.run_sql(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    def close(self) -> None:
        self.bring_database_back()
        self.service.stop()
        self.redis.kill()
        self.run_sql(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.engine.dispose()


@pytest.fixture(scope="module")
def production(private_dir, postgres_url):
    made = Production(private_dir, postgres_url)
    yield made
    made.close()


def test_without_redis_questions_are_decided_and_finishes_are_charged(production):
    service = production.service
    link, (subject, token) = service.add_link(), service.add_user(credit=5)
    poor = service.add_visitor(credit=0)
    assert link.start(token)["success"] is True
    production.redis.kill()
    try:
        assert {a["code"] for a in at_once(8, lambda _: link.init(token))} == {"ok"}
        assert link.start(token)["success"] is True
        assert link.start(poor)["code"] == "balance_too_low"
        assert link.finish(token, [{"id": "without", "totalPoints": 5}])["success"] is True
        assert link.start(token)["code"] == "balance_too_low"
    finally:
        production.redis.start()
    assert charged(service, subject) == 5 * 10**9
    wait_for(lambda: breaker_is_closed(service))
    assert link.start(token)["code"] == "balance_too_low"


def test_a_frozen_redis_does_not_freeze_the_hooks(production):
    service = production.service
    link, token = service.add_link(), service.add_visitor()
    assert link.start(token)["success"] is True
    production.redis.freeze()
    try:
        answers = at_once(6, lambda _: link.start(token))
        assert {a["code"] for a in answers} <= {"ok", "visitor_open", "visitor_rate"}
        assert link.init(token)["success"] is True
    finally:
        production.redis.thaw()
    wait_for(lambda: breaker_is_closed(service))


def test_a_flushed_redis_is_filled_from_the_books(production):
    service = production.service
    plan = PlanSpec(name=uuid.uuid4().hex, limits=VisitorLimits(points_per_month=4))
    link, (_, token) = service.add_link(), service.add_user(credit=50, plan=plan)
    assert link.start(token)["success"] is True
    assert link.finish(token, [{"id": "a", "totalPoints": 4}])["success"] is True
    assert link.start(token)["code"] == "visitor_month_points"
    production.redis.client().flushall()
    assert link.start(token)["code"] == "visitor_month_points"


def test_without_the_database_known_visitors_go_on_and_finishes_are_charged_later(production):
    service = production.service
    link, (subject, token) = service.add_link(locale="en"), service.add_user()
    stranger = Root(f"{service.url}/l/no-link-has-this-key", service.pool)
    at_once(16, lambda _: link.init(token))
    at_once(4, lambda _: link.start(token))
    production.take_database_away()
    try:
        assert {a["code"] for a in at_once(16, lambda _: link.init(token))} == {"ok"}
        before = datetime.now(UTC)
        answer = link.finish(token, [{"id": "kept", "totalPoints": 1}])
        after = datetime.now(UTC)
        assert (answer["success"], answer["code"]) == (True, "ok")
        assert link.finish(token, [{"id": "kept", "totalPoints": 1}])["success"] is True
        assert stranger.finish(token, [{"id": "not ours"}])["success"] is True
        ready = service.pool.request("GET", f"{service.url}/readyz")
        assert ready.status == 503
        assert service.pool.request("GET", f"{service.url}/healthz").status == 200
        wait_for(lambda: metric(service, "shareauth_spool_records") == 3)
    finally:
        production.bring_database_back()
    wait_for(lambda: metric(service, "shareauth_spool_records") == 0, service.log)
    assert charged(service, subject) == 10**9
    [event] = service.rows(
        "SELECT e.reference, e.received_at FROM usage_events e JOIN users u ON u.id = e.user_id"
        " WHERE u.subject = :subject",
        subject=subject,
    )
    assert event.reference == answer["reference"]
    assert before <= event.received_at <= after
    assert metric(service, 'shareauth_spool_aside{kind="rejected"}') == 1
    assert link.finish(token, [{"id": "kept", "totalPoints": 1}])["success"] is True
    assert charged(service, subject) == 10**9
    assert json.loads(service.cli("ledger", "verify", "--json"))["ok"] is True


def test_visitors_ask_on_while_their_answers_wait_for_the_database(production):
    service = production.service
    link, (subject, token) = service.add_link(), service.add_user(credit=50)
    at_once(16, lambda _: link.init(token))
    for turn in range(2):
        assert link.start(token)["success"] is True
        assert link.finish(token, [{"id": f"before-{turn}", "totalPoints": 1}])["success"] is True
    production.take_database_away()
    try:
        for turn in range(8):  # more than may be open at once
            forget_revision(production)  # as it is forgotten in a minute
            assert link.start(token)["code"] == "ok"
            answer = link.finish(token, [{"id": f"during-{turn}", "totalPoints": 1}])
            assert answer["success"] is True
    finally:
        production.bring_database_back()
    wait_for(lambda: charged(service, subject) == 10 * 10**9, service.log)
    shown = json.loads(service.cli("users", "show", subject, "--json"))
    assert (shown["open_questions"], shown["held"], shown["balance"]) == (0, "0", "40")


@pytest.mark.parametrize(
    ("policy", "known", "unbooked"),
    [("serve", "ok", "database_away"), ("admit", "ok", "ok"), ("refuse", *["database_away"] * 2)],
)
@pytest.mark.slow
def test_operator_decides_who_is_let_in_while_the_database_is_away(
    private_dir, postgres_url, policy, known, unbooked
):
    production = Production(
        private_dir,
        postgres_url,
        SHAREAUTH_SERVICE__WORKERS="1",
        SHAREAUTH_DATABASE__ON_OUTAGE=policy,
    )
    service = production.service
    try:
        link, (subject, token) = service.add_link(), service.add_user(credit=50)
        assert link.start(token)["code"] == "ok"
        production.take_database_away()
        assert link.finish(token, [{"id": "noticed", "totalPoints": 1}])["success"] is True
        assert link.init(token)["code"] == known
        assert link.start(token)["code"] == known
        production.redis.client().flushall()  # the gate holds no balance any more
        assert link.start(token)["code"] == unbooked
        production.bring_database_back()
        wait_for(lambda: link.start(token)["code"] == "ok")
        wait_for(lambda: charged(service, subject) == 10**9, service.log)
    finally:
        production.close()


def forget_revision(production: Production) -> None:
    assert production.redis.client().delete("{shareauth}:revision") == 1


def test_stopping_finishes_what_is_in_flight_and_leaves_nothing_behind(private_dir):
    service = start_service({}, private_dir / f"stop-{uuid.uuid4().hex[:6]}")
    link, (_, token) = service.add_link(), service.add_user()
    family = psutil.Process(service.process.pid).children(recursive=True)
    assert {"valkey-server"} <= {p.name() for p in family}
    halfway = threading.Event()

    def slowly():
        body = json.dumps({"token": token, "responseData": [{"id": "x", "totalPoints": 2}]})
        yield body[:20].encode()
        halfway.set()
        time.sleep(1)
        yield body[20:].encode()

    answers = []
    caller = threading.Thread(
        target=lambda: answers.append(
            link.pool.request("POST", f"{link.url}/shareAuth/finish", body=slowly()).json()
        )
    )
    caller.start()
    assert halfway.wait(10)
    assert service.stop() == 0
    caller.join()
    assert [a["success"] for a in answers] == [True]
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, alive
    again = start_service({}, service.data_dir)
    try:
        [row] = again.rows("SELECT COUNT(*) AS n FROM usage_events")
        assert row.n == 1
        url = link.url.replace(service.url, again.url)
        assert link.pool.request("POST", f"{url}/shareAuth/init", json={"token": token}).json()[
            "success"
        ]
        assert json.loads(again.cli("ledger", "verify", "--json"))["ok"] is True
    finally:
        again.stop(signal.SIGINT)


def test_a_killed_service_starts_again_on_what_it_had(private_dir):
    service = start_service({}, private_dir / f"kill-{uuid.uuid4().hex[:6]}")
    link, (_, token) = service.add_link(), service.add_user()
    assert link.finish(token, [{"id": "x", "totalPoints": 2}])["success"] is True
    family = psutil.Process(service.process.pid).children(recursive=True)
    service.process.kill()
    service.process.wait()
    again = start_service({}, service.data_dir)
    try:
        [row] = again.rows("SELECT COUNT(*) AS n FROM usage_events")
        assert row.n == 1
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not [p for p in alive if p.name() != "valkey-server"], alive
    finally:
        again.stop()
    psutil.wait_procs(family, timeout=5)
    assert not [p for p in family if p.is_running()]


def test_a_second_service_on_the_same_data_is_refused(embedded_service: Service):
    environ = {**embedded_service.environ, "SHAREAUTH_SERVICE__PORT": "1"}
    done = NURSERY.run(["serve"], env=environ)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(embedded_service.data_dir) in done.stderr


def breaker_is_closed(service: Service) -> bool:
    link, token = service.add_link(), service.add_visitor()
    before = degraded(service)
    at_once(8, lambda _: link.start(token))
    return degraded(service) == before


def degraded(service: Service) -> float:
    text = service.pool.request("GET", f"{service.url}/metrics").data.decode()
    events = ("admitted_degraded", "refused_degraded")
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("shareauth_gate_events_total") and any(e in line for e in events)
    )


def metric(service: Service, name: str) -> float:
    text = service.pool.request("GET", f"{service.url}/metrics").data.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def charged(service: Service, subject: str) -> int:
    [row] = service.rows(
        "SELECT COALESCE(SUM(e.charge), 0) AS total FROM usage_events e"
        " JOIN users u ON u.id = e.user_id WHERE u.subject = :subject",
        subject=subject,
    )
    return int(row.total)
