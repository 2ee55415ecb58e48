"""What `serve` says first: every line can be used as it stands."""

import json
import re
import shlex
from pathlib import Path

import pytest
from app.cli import welcome
from app.cli.demo import Demo
from app.config import Settings

DATA_DIR = Path("/somewhere")
FIRST = Demo("KEY", "sat_token")
LATER = Demo("KEY", None)


def _said(demo, **service):
    settings = Settings.model_validate({"service": service})
    return [line for line in welcome.lines(settings, DATA_DIR, demo, None) if isinstance(line, str)]


def _curls(said):
    return [shlex.split(line) for line in said if "curl" in line]


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
    ],
)
def test_hooks_are_called_at_an_address_of_this_machine(host, base):
    urls = [part for words in _curls(_said(FIRST, host=host)) for part in words if "://" in part]
    assert urls == [f"{base}/l/KEY/shareAuth/{hook}" for hook in ("init", "start", "finish")]


def test_bodies_are_json_for_the_token_that_was_just_made():
    bodies = [json.loads(words[-1]) for words in _curls(_said(FIRST))]
    assert [body["token"] for body in bodies] == ["sat_token"] * 3
    assert bodies[1]["question"]
    assert bodies[2]["responseData"][0]["totalPoints"] > 0


def test_later_starts_say_how_to_get_another_token():
    said = "\n".join(_said(LATER))
    assert "tokens mint --link demo --subject demo" in said
    assert "sat_" not in said


def test_commands_reach_the_same_service_and_data():
    said = "\n".join(_said(FIRST, port=9000, data_dir="/my data"))
    assert "SHAREAUTH_SERVICE__PORT=9000 " in said
    assert "--data-dir '/my data' ledger statement demo" in said
    default = "\n".join(_said(FIRST))
    assert "--data-dir" not in default
    assert "SHAREAUTH_SERVICE__PORT" not in default


@pytest.mark.parametrize(
    ("public_url", "warns"),
    [
        (None, True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("https://auth.example.com/x", False),
        ("http://10.1.2.3:8080", False),
    ],
)
def test_addresses_that_fastgpt_refuses_are_pointed_out(public_url, warns):
    said = "\n".join(_said(FIRST, **({"public_url": public_url} if public_url else {})))
    assert bool(re.search("never calls loopback", said)) is warns


def test_without_a_demo_nothing_secret_is_shown():
    said = "\n".join(_said(None))
    assert "/l/" not in said
    assert "links list" in said
