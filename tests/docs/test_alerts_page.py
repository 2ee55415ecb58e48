"""docs/alerts.md says what the code does, and its receiver verifies what the service signs."""

import json
import re
import sys
import time
import tomllib
from pathlib import Path

import pages
import pytest
from app.alerts import payload, signing, texts
from app.alerts.conditions import CONDITIONS, DEFAULTS
from app.alerts.models import Alert
from app.config import Settings

from moments import NOW

PAGE = "docs/alerts.md"
TEXT = pages.read(PAGE)
RECEIVER = Path(pages.ROOT, "docs/receivers/verify_webhook.py").read_text("utf-8")
SECRETS = [signing.webhook_secret(bytes([number]) * 32) for number in range(3)]


@pytest.fixture
def verify():
    """The receiver's function, as somebody else's program has it."""
    namespace = {}
    exec(compile(RECEIVER, "verify_webhook.py", "exec"), namespace)
    return namespace["verify"]


def _signed(body, secrets, *, age_s=0):
    at = int(time.time()) - age_s  # noqa: TID251 - the receiver reads the clock, too
    return signing.webhook_headers("msg_1", body, epoch_s=at, secrets=secrets)


def test_receiver_takes_what_is_signed_with_its_secret(verify):
    body = '{"名":1}'.encode()
    assert verify(SECRETS[0], _signed(body, [SECRETS[0]]), body)
    # While the service rotates, whoever has the old or the new one goes on.
    assert verify(SECRETS[0], _signed(body, [SECRETS[1], SECRETS[0]]), body)


def test_receiver_refuses_everything_else(verify):
    body = b"{}"
    assert not verify(SECRETS[2], _signed(body, SECRETS[:2]), body)
    assert not verify(SECRETS[0], _signed(body, SECRETS), b"{ }")
    assert not verify(SECRETS[0], _signed(body, SECRETS, age_s=3600), body)
    other_id = {**_signed(body, SECRETS), "webhook-id": "msg_2"}
    assert not verify(SECRETS[0], other_id, body)


def test_page_shows_the_receiver_as_it_is():
    assert f"```python\n{RECEIVER}```" in TEXT


def test_page_shows_a_payload_as_it_is_made():
    (shown,) = [json.loads(b.text) for b in pages.blocks(PAGE) if b.language == "json"]
    alert = Alert(
        id=12,
        condition="budget",
        subject="link:3/month",
        subject_name="support",
        severity="warning",
        level=80,
        facts={"percent": 80, "used": "803.2", "limit": "1000", "period": "month"},
        opened_at=NOW,
        last_seen_at=NOW,
        resolved_at=None,
    )
    assert shown == payload.of_alert("opened", alert, now=NOW)


def test_every_condition_is_explained_with_its_thresholds_and_severity():
    found = re.findall(r"^\| `(\w+)` \| .* \| (.*) \| (\w+) \|$", TEXT, re.MULTILINE)
    rows = {condition: (when, severity) for condition, when, severity in found}
    assert list(rows) == list(CONDITIONS)
    usual = TEXT.partition("### Unusual spending")[2].partition("\n## ")[0]
    for condition, (when, severity) in rows.items():
        explained = " ".join((when + usual).split())
        assert severity == DEFAULTS[condition].severity
        for name, value in DEFAULTS[condition].thresholds:
            if value != ():  # nothing is ignored until somebody says so
                shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
                assert re.search(rf"`{name}`[^`]*\b{shown}\b", explained), f"{condition}: {name}"
            assert f"`{name}`" in explained


@pytest.mark.parametrize("locale", texts.LOCALES)
def test_facts_that_are_listed_are_all_that_a_message_needs(locale):
    listed = dict(re.findall(r"^\| `(\w+)` \| (`[^|]*) \|$", TEXT, re.MULTILINE))
    for condition in CONDITIONS:
        facts = dict.fromkeys(re.findall(r"`(\w+)`", listed[condition]), "month")
        alert = {"condition": condition, "subject": {"id": "x:1", "name": "demo"}, "facts": facts}
        assert "{" not in texts.summary(alert, locale)


def test_settings_shown_can_be_used(tmp_path):
    (block,) = [b.text for b in pages.blocks(PAGE) if b.language == "toml"]
    values = tomllib.loads(block)
    values["mail"]["password"] = values["mail"].pop("password_file")
    assert Settings.model_validate(values).mail.host == "smtp.example.com"


def test_receiver_needs_nothing_but_the_standard_library():
    imported = re.findall(r"^(?:import|from) (\w+)", RECEIVER, re.MULTILINE)
    assert set(imported) <= sys.stdlib_module_names
