"""The database away, slow or locked, workers killed, the disk full: what is answered is charged."""

import contextlib
import json
import random
import uuid

import psutil
import pytest
import sqlalchemy as sa
import urllib3
from test_outage_journeys import Production, charged, metric

from running_service import at_once, wait_for


@pytest.fixture(scope="module")
def production(private_dir, postgres_url):
    made = Production(
        private_dir,
        postgres_url,
        SHAREAUTH_SPOOL__AFTER_S="1",
        SHAREAUTH_SPOOL__BYTES_MAX=str(1024**2),
    )
    yield made
    made.close()


def is_drained(service) -> bool:
    return json.loads(service.cli("spool", "status", "--json"))["records"] == 0


def test_locked_table_delays_no_answer_for_ever_and_loses_none(production):
    service = production.service
    link, (subject, token) = service.add_link(), service.add_user()
    assert link.finish(token, [{"id": uuid.uuid4().hex, "totalPoints": 1}])["success"] is True
    with locked(production, "ledger_accounts"):
        answers = at_once(6, lambda n: link.finish(token, [{"id": f"slow-{n}", "totalPoints": 1}]))
        assert {answer["success"] for answer in answers} == {True}
    wait_for(lambda: charged(service, subject) == 7 * 10**9, service.log)
    wait_for(lambda: is_drained(service))


def test_frozen_server_delays_no_answer_for_ever_and_loses_none(production):
    service = production.service
    link, (subject, token) = service.add_link(), service.add_user()
    at_once(16, lambda _: link.init(token))
    server = server_processes(production)
    for process in server:
        process.suspend()
    try:
        answers = at_once(
            12, lambda n: link.finish(token, [{"id": f"frozen-{n}", "totalPoints": 1}])
        )
        assert {answer["code"] for answer in answers} == {"ok"}
        assert link.init(token)["success"] is True
    finally:
        for process in server:
            process.resume()
    wait_for(lambda: charged(service, subject) == 12 * 10**9, service.log)
    wait_for(lambda: is_drained(service))


def test_workers_killed_in_an_outage_lose_nothing_they_answered(production):
    service = production.service
    link, (subject, token) = service.add_link(), service.add_user()
    at_once(16, lambda _: link.init(token))
    production.take_database_away()
    answered = []
    try:
        workers = psutil.Process(service.process.pid).children()
        for number in range(30):
            if number == 10:
                for worker in workers:
                    worker.kill()  # the jobs process and Valkey's keeper among them
            answered += ask(link, token, f"kept-{number}")
        assert len(answered) > 15
        spooled = [p.read_bytes() for p in (service.data_dir / "spool").rglob("*") if p.is_file()]
        assert spooled
        key = link.url.rsplit("/", 1)[1]
        assert not any(s.encode() in file for file in spooled for s in (token, key, "kept-"))
    finally:
        production.bring_database_back()
    wait_for(lambda: charged(service, subject) >= len(answered) * 10**9, service.log)
    wait_for(lambda: is_drained(service))
    rows = service.rows(
        "SELECT e.reference FROM usage_events e JOIN users u ON u.id = e.user_id"
        " WHERE u.subject = :subject",
        subject=subject,
    )
    assert set(answered) <= {row.reference for row in rows}
    # Nothing twice: an answer may be lost with its worker, but not a charge be doubled.
    assert len(rows) == len({row.reference for row in rows}) <= 30
    assert json.loads(service.cli("ledger", "verify", "--json"))["ok"] is True


def test_full_spool_fails_honestly_and_the_log_holds_what_is_missing(production):
    service = production.service
    link, (subject, token) = service.add_link(locale="en"), service.add_user()
    at_once(16, lambda _: link.init(token))
    chance = random.Random(1)
    production.take_database_away()
    try:
        answers = []
        for number in range(8):
            node = {
                "id": f"big-{number}",
                "totalPoints": 1,
                "text": chance.randbytes(150_000).hex(),
            }
            answers.append(link.finish(token, [node]))
    finally:
        production.bring_database_back()
    failed = [answer for answer in answers if not answer["success"]]
    assert 0 < len(failed) < 8
    assert {answer["code"] for answer in failed} == {"not_recorded"}
    assert failed[0]["message"].startswith("This answer's usage could not be recorded")
    assert metric(service, 'shareauth_spool_events_total{event="lost"}') == len(failed)
    wait_for(lambda: charged(service, subject) == (8 - len(failed)) * 10**9, service.log)
    told = [json.loads(line) for line in service.log().splitlines() if "spool.filling" in line]
    assert {"warning", "error"} <= {line["level"] for line in told}
    wait_for(lambda: is_drained(service))
    imported = json.loads(service.cli("spool", "import", str(service.log_path), "--json"))
    assert {answer["reference"] for answer in failed} <= set(imported["imported"])
    wait_for(lambda: charged(service, subject) == 8 * 10**9, service.log)
    wait_for(lambda: is_drained(service))


def server_processes(production) -> list[psutil.Process]:
    """PostgreSQL's parent process, then its children."""
    with production.engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    parent = psutil.Process(pid).parent()
    return [parent, *parent.children()]


@contextlib.contextmanager
def locked(production, table):
    """Somebody's long transaction."""
    url = sa.make_url(production.service.environ["SHAREAUTH_DATABASE__URL"])
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        engine.dispose()


def ask(link, token, name) -> list[str]:
    """The reference of the finish if it was answered with success; a killed worker answers none."""
    try:
        answer = link.finish(token, [{"id": name, "totalPoints": 1}])
    except urllib3.exceptions.HTTPError:
        return []
    return [answer["reference"]] if answer["success"] else []
