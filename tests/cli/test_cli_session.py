"""The desk: changes reach the gate, and a silent gate stops nobody."""

import pytest
from app.admission.gate import Gate
from app.cli.session import Desk, validated
from app.config import Settings
from app.errors import Invalid
from app.limits import VisitorLimits
from app.links.commands import LinkSpec


@pytest.fixture
def gated(db, make_shell, valkey_url, namespace):
    """A shell beside a Redis that answers, and a gate as the service's workers hold one."""
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_REDIS__URL=valkey_url,
        SHAREAUTH_REDIS__NAMESPACE=namespace,
    )
    redis = {"namespace": namespace, "timeout_ms": 10_000}
    gate = Gate(Settings.model_validate({"redis": redis}), url=valkey_url)
    yield shell, gate
    gate.close()


def test_change_is_announced_to_the_workers(gated):
    shell, gate = gated
    shell.json("links", "create", "support")
    announced = gate.revision()
    shell.json("links", "disable", "support")

    assert announced is not None
    assert gate.revision() == announced + 1


def test_given_redis_that_is_away_is_said_after_the_change(db, make_shell):
    shell = make_shell(
        SHAREAUTH_DATABASE__URL=db.url.render_as_string(hide_password=False),
        SHAREAUTH_REDIS__URL="redis://127.0.0.1:1",
    )
    result = shell.run("links", "create", "support", "--json")

    assert "within a minute" in result.stderr
    assert shell.json("links", "show", "support")["status"] == "active"


def test_stopped_embedded_set_up_has_nobody_to_tell(shell):
    assert shell.run("links", "create", "support").stderr == ""


def test_reading_announces_nothing(gated):
    shell, gate = gated
    shell.json("links", "create", "support")
    announced = gate.revision()
    shell.json("links", "list")
    shell.json("users", "list")

    assert gate.revision() == announced


def test_top_up_reaches_the_gate(gated):
    shell, gate = gated
    user = shell.json("users", "add", "alice")
    gate.set_balance(user["id"], 0, 0)
    shell.json("ledger", "top-up", "alice", "7", "--reason", "x")
    held = gate.snapshot(user["id"], 0)

    assert held is not None
    assert (held.balance, held.version) == (7_000_000_000, 1)


def test_open_questions_are_shown_while_redis_answers(gated):
    shell, _ = gated
    shell.json("users", "add", "alice")

    assert shell.json("users", "show", "alice")["open_questions"] == 0


def test_actor_is_the_user_of_the_system(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "olga")

    assert Desk(Settings()).actor.name == "olga"


def test_nameless_user_is_unknown(monkeypatch):
    def nobody():
        raise OSError("no username set in the environment")

    monkeypatch.setattr("getpass.getuser", nobody)

    assert Desk(Settings()).actor.name == "unknown"


def test_wrong_values_are_named_each():
    with pytest.raises(Invalid) as refused:
        validated(LinkSpec, {"name": "x", "limits": {"burst": -5}, "colour": "red"})

    assert "limits.burst" in refused.value.message
    assert "colour: not known here" in refused.value.message


def test_valid_values_become_the_spec():
    assert validated(VisitorLimits, {"burst": "5"}).burst == 5
