"""``shareauth doctor``: each finding with its id, and what to do."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from app import schema
from app.checks import addresses, books, data_dir, issuers
from app.config import Service, Settings
from app.keys import Keys
from app.ledger.models import Account
from app.links.models import LinkKey
from app.metering import store as metering_store
from app.metering.store import QuarantineRow
from app.tokens import known
from app.tokens.fetch import Fetcher
from app.tokens.models import Issuer

from fakes.jwks import JwksServer
from fakes.signers import signer

PORTAL = {"name": "sso", "kind": "jwt", "algorithms": ["ES256"]}


def by_id(findings):
    return {finding["id"]: finding for finding in findings}


def status(shell, *words, exit_code=0):
    findings = shell.json("doctor", *words, exit_code=exit_code)["findings"]
    return {finding["id"]: finding["status"] for finding in findings}


class Answering:
    """A web server that gives one answer to everything."""

    def __init__(self, code=200, body=b"{}"):
        answer = self
        self.code, self.body = code, body

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(answer.code if self.command == "POST" else 200)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def do_POST(self):
                self.do_GET()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def test_findings_have_ids_and_advice_where_something_is_wrong(shell):
    shell.json("links", "create", "support")
    report = shell.json("doctor", "--offline")
    found = by_id(report["findings"])

    assert report["ok"] is True
    assert found["SA101"]["status"] == "ok"
    assert found["SA201"]["status"] == "warning"  # the bundled Valkey does not run
    assert "shareauth serve" in found["SA201"]["advice"]
    assert found["SA502"]["status"] == "warning"  # a link without share URL
    for finding in report["findings"]:
        assert finding["check"]
        assert finding["message"]
        needs_advice = finding["status"] in {"warning", "failed"}
        assert (finding["advice"] is not None) == needs_advice


def test_people_read_status_and_advice(shell):
    shell.json("db", "upgrade")
    shown = shell.text("doctor", "--offline")

    assert "SA502" in shown
    assert "→ Make one: `shareauth links create NAME`." in shown
    assert "0 failed, 2 warnings" in shown


def test_missing_migrations_fail_and_skip_what_needs_tables(shell, db):
    schema.downgrade(db, "base")
    found = status(shell, "--offline", exit_code=1)

    assert (found["SA102"], found["SA103"], found["SA500"]) == ("failed", "skipped", "skipped")


def test_database_that_is_away_fails(make_shell, tmp_path):
    shell = make_shell(SHAREAUTH_DATABASE__URL=f"sqlite:///{tmp_path / 'no' / 'file'}")
    found = status(shell, "--offline", exit_code=1)

    assert (found["SA101"], found["SA102"], found["SA104"]) == ("failed", "skipped", "skipped")


def test_wrong_settings_are_a_finding(make_shell):
    found = status(make_shell(SHAREAUTH_SERVICE__PORT="none"), exit_code=1)

    assert found == {"SA001": "failed"}


def test_new_set_up_is_not_made_by_looking_at_it(make_shell, tmp_path):
    found = status(make_shell(), "--offline", exit_code=1)

    assert found["SA002"] == "failed"
    assert found["SA101"] == "skipped"
    assert not (tmp_path / "data").exists()


def test_given_redis_that_is_away_fails(db, make_shell):
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_REDIS__URL="redis://127.0.0.1:1",
    )
    found = status(shell, "--offline", exit_code=1)

    assert found["SA201"] == "failed"
    assert found["SA205"] == "skipped"


def test_redis_that_answers_is_measured(db, make_shell, valkey_url, namespace):
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_REDIS__URL=valkey_url,
        SHAREAUTH_REDIS__NAMESPACE=namespace,
        SHAREAUTH_REDIS__TIMEOUT_MS="10000",
    )
    shell.json("links", "create", "support")  # announces a revision
    found = by_id(shell.json("doctor", "--offline")["findings"])

    assert {found[f"SA20{n}"]["status"] for n in range(1, 6)} == {"ok"}
    assert "in the database and in Redis" in found["SA205"]["message"]


def test_revision_that_redis_did_not_hear_fails(db, make_shell, valkey_url, namespace):
    settings = {
        "SHAREAUTH_DATABASE__URL": db.url.render_as_string(hide_password=False),
        "SHAREAUTH_REDIS__NAMESPACE": namespace,
        "SHAREAUTH_REDIS__TIMEOUT_MS": "10000",
    }
    told = make_shell(**settings, SHAREAUTH_REDIS__URL=valkey_url)
    told.json("links", "create", "support")
    make_shell(**settings).json("links", "create", "unheard of")

    assert status(told, "--offline", exit_code=1)["SA205"] == "failed"


def test_service_that_does_not_run_fails(make_shell, db):
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_SERVICE__PUBLIC_URL="http://127.0.0.1:1",
    )
    found = by_id(shell.json("doctor", exit_code=1)["findings"])

    assert found["SA401"]["status"] == "warning"
    assert "loopback" in found["SA401"]["message"]
    assert found["SA402"]["status"] == "failed"
    assert found["SA403"]["status"] == "skipped"


def test_hooks_are_known_by_their_envelope():
    envelope = {"success": False, "code": "link_unknown", "message": "no"}
    with Answering(body=json.dumps(envelope).encode()) as server:
        found = list(addresses.check_addresses(server.url))

    assert [one.status for one in found] == ["warning", "ok", "ok"]


@pytest.mark.parametrize(
    ("code", "body"),
    [(200, b"<html>"), (302, b"{}"), (200, b'{"success": true, "code": "link_unknown"}')],
)
def test_anything_else_at_the_hooks_address_fails(code, body):
    with Answering(code, body) as server:
        found = list(addresses.check_addresses(server.url))

    assert found[-1].status == "failed"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://10.0.0.7:8080", "warning"),
        ("http://[::1]:8080", "warning"),
        ("http://1.1.1.1", "ok"),
    ],
)
def test_addresses_that_fastgpt_may_not_call_are_pointed_out(url, expected):
    assert addresses._check_callable(url).status == expected


def row(spec):
    return Issuer(
        id=1, name=spec["name"], kind="jwt", origin="database", spec=spec, status="active"
    )


def test_key_set_is_fetched(keys):
    with JwksServer() as server:
        server.keys = [signer("ES256").jwk("k1")]
        joined = known.join([row({**PORTAL, "jwks_url": server.url})], (), keys=keys)
        found = list(issuers.check_issuers(joined, Fetcher(allow_private=True)))
        server.keys = [signer("RS256").jwk("k2")]
        unfit = list(issuers.check_issuers(joined, Fetcher(allow_private=True)))
        server.status = 500
        away = list(issuers.check_issuers(joined, Fetcher(allow_private=True)))

    assert [one.status for one in found] == ["ok", "ok"]
    assert unfit[1].status == "warning"
    assert away[1].status == "failed"


def test_issuer_whose_secret_cannot_be_opened_fails(keys):
    unreadable = row({**PORTAL, "algorithms": ["HS256"]})
    unreadable.sealed_secrets = Keys("another secret, just as long as ours").seal(b"[]")
    joined = known.join([unreadable], (), keys=keys)

    found = list(issuers.check_issuers(joined, Fetcher()))
    assert [(one.id, one.status) for one in found] == [("SA301", "failed")]


def test_secret_that_others_may_read_fails(tmp_path):
    secret = tmp_path / "secret_key"
    secret.write_text("s" * 64)
    secret.chmod(0o644)
    settings = Settings(service=Service(data_dir=tmp_path))

    assert [one.status for one in data_dir.check_data_dir(settings)] == ["ok", "failed"]
    secret.chmod(0o600)
    assert [one.status for one in data_dir.check_data_dir(settings)] == ["ok", "ok"]
    secret.unlink()
    assert [one.status for one in data_dir.check_data_dir(settings)] == ["ok", "failed"]


def test_sound_books_are_well(shell, db):
    words = ("--share-url", "https://f.example/chat/share?shareId=a")
    shell.json("links", "create", "support", *words)
    shell.json("users", "add", "alice")
    shell.json("ledger", "top-up", "alice", "5", "--reason", "x")
    with db.read() as session:
        found = list(books.check_books(session, currency="CNY", now=datetime.now(UTC)))

    assert [one.status for one in found] == ["ok"] * 5


def test_broken_ledger_fails_and_full_quarantine_warns(shell, db, now, keys):
    shell.json("links", "create", "support")
    user = shell.json("users", "add", "alice")
    shell.json("ledger", "top-up", "alice", "5", "--reason", "x")
    with db.begin() as session:
        session.query(Account).filter_by(user_id=user["id"]).one().balance += 1
        finish = QuarantineRow("r", 1, now, "request_malformed", 1, b"x")
        metering_store.quarantine(session, finish, keys=keys)

    found = status(shell, "--offline", exit_code=1)
    assert (found["SA503"], found["SA504"]) == ("failed", "warning")


def test_link_whose_keys_have_ended_fails(shell, db, now):
    shell.json("links", "create", "support")
    with db.begin() as session:
        session.query(LinkKey).one().expires_at = now - timedelta(days=1)

    assert status(shell, "--offline", exit_code=1)["SA502"] == "failed"


def test_prices_in_another_currency_fail(shell):
    shell.json("links", "create", "support")
    shell.environ["SHAREAUTH_BILLING__CURRENCY"] = "EUR"

    assert status(shell, "--offline", exit_code=1)["SA501"] == "failed"
