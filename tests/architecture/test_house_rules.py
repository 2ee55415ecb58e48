"""The project keeps the rules of the house, and each rule notices when it is broken."""

from collections import Counter
from pathlib import Path

import house_rules as rules
import pytest
from house_rules import Module

ROOT = Path(__file__).resolve().parents[2]
APP = rules.modules("app")
EVERYTHING = rules.modules("app", "tests")

SERVICE_RULES = [
    rules.transactions_ended,
    rules.transactions_begun,
    rules.sql_outside_stores,
    rules.environment_read,
    rules.clock_read,
]
RULES_FOR_ALL = [rules.too_long, rules.shapeless_name, rules.left_over_note]


def _named(rule):
    return rule.__name__


@pytest.mark.parametrize("rule", SERVICE_RULES, ids=_named)
def test_service_keeps(rule):
    assert [broken for module in APP for broken in rule(module)] == []


@pytest.mark.parametrize("rule", RULES_FOR_ALL, ids=_named)
def test_every_file_keeps(rule):
    assert [broken for module in EVERYTHING for broken in rule(module)] == []


def test_no_two_test_modules_share_a_name():
    # pytest imports them by it, and finds the first one twice.
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []


BROKEN = [
    (rules.transactions_ended, "app/links/commands.py", "session.commit()"),
    (rules.transactions_ended, "app/turns/finish.py", "self.session.rollback()"),
    (rules.transactions_begun, "app/links/commands.py", "with db.begin() as s: pass"),
    (rules.transactions_begun, "app/ledger/verify.py", "with self._db.read() as s: pass"),
    (rules.sql_outside_stores, "app/links/commands.py", "import sqlalchemy as sa\nsa.text('x')"),
    (rules.sql_outside_stores, "app/links/commands.py", "from sqlalchemy import select"),
    (rules.sql_outside_stores, "app/turns/a.py", "from sqlalchemy.orm import joinedload"),
    (rules.environment_read, "app/cli/serve.py", "import os\nos.environ['HOME']"),
    (rules.environment_read, "app/cli/serve.py", "import os\nos.getenv('HOME')"),
    (rules.environment_read, "app/web.py", "from os import environ"),
    (rules.clock_read, "app/links/commands.py", "datetime.now(UTC)"),
    (rules.clock_read, "app/turns/start.py", "datetime.datetime.now(tz=UTC)"),
    (rules.clock_read, "app/ledger/writer.py", "time.time()"),
    (rules.clock_read, "app/hooks/routes.py", "datetime.utcnow()"),
    (rules.clock_read, "app/ledger/writer.py", "time.monotonic()"),
    (rules.too_long, "app/x.py", "a = 1\n" * 401),
    (rules.too_long, "app/x.py", "def f():\n" + "    a = 1\n" * 60),
    (rules.shapeless_name, "app/links/utils.py", ""),
    (rules.shapeless_name, "tests/common/test_x.py", ""),
    (rules.left_over_note, "app/x.py", f"# {rules.LEFT_OVER[0]}: later"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_rule_notices_a_violation(rule, path, text):
    assert len(list(rule(Module.of(path, text)))) == 1


KEPT = [
    (rules.transactions_ended, "app/db.py", "session.rollback()"),
    (rules.transactions_begun, "app/funding/top_up.py", "with db.begin() as s: pass"),
    (rules.transactions_begun, "app/tokens/jwks.py", "response.read(10)"),
    (rules.sql_outside_stores, "app/links/store.py", "import sqlalchemy as sa\nsa.text('x')"),
    (rules.sql_outside_stores, "app/cli/x.py", "import sqlalchemy as sa\nsa.make_url('x')"),
    (rules.sql_outside_stores, "app/links/commands.py", "from sqlalchemy.orm import Session"),
    (rules.environment_read, "app/cli/serve.py", "import os\nos.environ['X'] = 'y'"),
    (rules.clock_read, "app/hooks/routes.py", "datetime.now(UTC)"),
    (rules.too_long, "app/x.py", "a = 1\n" * 400),
]


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_rule_leaves_alone_what_is_right(rule, path, text):
    assert list(rule(Module.of(path, text))) == []


def test_every_reason_for_a_stopwatch_is_needed():
    watched = {m.path for m in APP if "time.monotonic()" in m.text}
    assert [p for p in rules.MONOTONIC if not any(w.startswith(p) for w in watched)] == []
