"""Secrets never reach a log line, whichever way they get into an event."""

import json
import logging

import pytest
import structlog
from app.telemetry import logs

OPAQUE = "sat_0123456789abcdefABCDEF-_"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
GUEST = "shareChat-1754557200000-abcdefghijklmnopqrstuvwx"


@pytest.mark.parametrize("secret", [OPAQUE, JWT, GUEST])
def test_tokens_are_masked_inside_any_text(secret):
    assert secret not in logs.redact_text(f"upstream said: bad token {secret}!")


def test_link_keys_are_masked_in_paths():
    text = logs.redact_text("Invalid request: POST /l/s3cr3t-key_/shareAuth/init?x=1")
    assert "s3cr3t" not in text
    assert text.endswith("/shareAuth/init?x=1")
    assert "gAAAAA" not in logs.redact_text("Error handling request /me/s/gAAAAAB-x_y")


def test_passwords_in_database_urls_are_masked():
    assert "hunter2" not in logs.redact_text("postgresql://app:hunter2@db/shareauth")


def test_secret_fields_are_blanked_at_any_depth():
    event = logs.redact(
        None, "info", {"event": "x", "question": "q", "deep": [{"Token": "t", "n": 1}], "raw": b"1"}
    )
    assert event == {
        "event": "x",
        "question": logs.REDACTED,
        "deep": [{"Token": logs.REDACTED, "n": 1}],
        "raw": "<1 bytes>",
    }


@pytest.fixture
def quiet_root():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_library_and_own_lines_are_json_and_clean(capsys, quiet_root):
    logs.configure("info", "json")
    structlog.get_logger("ours").info("hook.refused", token=OPAQUE, code="visitor_rate")
    logging.getLogger("theirs").warning("cannot use %s", JWT)
    structlog.get_logger("ours").error("hook.broke", exc_info=ValueError(OPAQUE))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines][:1] == ["hook.refused"]
    assert lines[0]["token"] == logs.REDACTED
    assert lines[1]["logger"] == "theirs"
    assert "ValueError" in lines[2]["exception"]
    assert not any(secret in str(lines) for secret in (OPAQUE, JWT))
