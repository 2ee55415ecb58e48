"""What stands around the books: everything that does not agree with them is named, once."""

import ast
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from app.admission.question import Snapshot
from app.archives import partitions
from app.audit.journal import Actor
from app.funding import changes
from app.funding.changes import Change
from app.metering.models import QuarantinedFinish
from app.pricing.models import PriceVersion
from app.spool.census import Status
from app.statements import selfaudit, verification
from app.statements.selfaudit import Surroundings
from app.turns.settle import settle_turns
from app.unfinished.models import UnfinishedTurn

from admission_builders import make_gate
from books import NANO
from turn_builders import PRICED_BY, RULES, Stage

ACTOR = Actor("alice", "cli")
PARTITIONING = {"partitions_missing", "lines_astray"}
RELOAD = timedelta(minutes=10)
EMPTY_SPOOL = Status(0, 0, None, rejected=0, damaged=0, fullness=0.0)
NOTHING = Snapshot(*[None] * 3, 0, 0, 0, *[None] * 3, 0, 0, None, None, 0, None, None)


class Gate:
    """Holds what a test says, by user: balance in nano-units and version."""

    def __init__(self, **held: tuple[int, int]) -> None:
        self.held = {int(name.removeprefix("u")): entry for name, entry in held.items()}
        self.is_away = False
        self.asked: list[int] = []

    def snapshot(self, user_id: int, link_id: int) -> Snapshot | None:
        del link_id
        self.asked.append(user_id)
        if self.is_away:
            return None
        if user_id not in self.held:
            return NOTHING
        balance, version = self.held[user_id]
        return replace(NOTHING, balance=balance, version=version)


@pytest.fixture
def stage(db, now) -> Stage:
    """Users 1 and 2 with ten units each."""
    stage = Stage(db, now)
    for user_id in stage.user_ids[:2]:
        paid = Change(user_id, 10 * NANO, "CNY", "paid", f"p{user_id}")
        changes.top_up(db, paid, actor=ACTOR, now=now)
    return stage


def audit(stage: Stage, gate: Gate | None = None, *, spool=EMPTY_SPOOL, since=None, now=None):
    around = Surroundings(gate or Gate(), reload=RELOAD, spool=spool, zone=RULES.zone)
    return list(selfaudit.audit(stage.db, around, since=since, now=now or stage.now))


def codes(*args, **options) -> list[str]:
    return [finding.code for finding in audit(*args, **options)]


def test_nothing_stands_out_where_all_agrees(stage):
    gate = Gate(u1=(10 * NANO, 1), u2=(10 * NANO, 1))
    assert codes(stage, gate) == []
    assert gate.asked == stage.user_ids[:2]


def test_gate_that_holds_nothing_agrees(stage):
    assert codes(stage, Gate()) == []


def test_gate_that_is_away_is_asked_once_and_left_out(stage):
    gate = Gate(u1=(0, 99))
    gate.is_away = True
    assert codes(stage, gate) == []
    assert len(gate.asked) == 1


def test_gate_newer_than_the_books_is_found(stage):
    (finding,) = audit(stage, Gate(u1=(10 * NANO, 2), u2=(10 * NANO, 1)))
    assert (finding.code, finding.ids) == ("gate_newer", {"user": 1})
    assert "backup" in finding.message


def test_gate_that_holds_another_balance_at_the_same_version_is_found(stage):
    assert codes(stage, Gate(u2=(9 * NANO, 1))) == ["gate_differs"]


def test_gate_counts_in_micro_units_and_rounds_down(stage, now):
    changes.adjust(stage.db, Change(1, -1, "CNY", "x", "a"), actor=ACTOR, now=now)
    assert codes(stage, Gate(u1=(10 * NANO - 1000, 2))) == []
    assert codes(stage, Gate(u1=(10 * NANO, 2))) == ["gate_differs"]


def test_balance_in_the_gate_may_be_older_for_as_long_as_it_is_loaded(stage, now):
    changes.top_up(stage.db, Change(1, NANO, "CNY", "x", "a"), actor=ACTOR, now=now)
    gate = Gate(u1=(10 * NANO, 1))
    bound = RELOAD + selfaudit.GATE_SLACK
    assert codes(stage, gate, now=now + bound) == []
    assert codes(stage, gate, now=now + bound + timedelta(seconds=1)) == ["gate_stale"]


def test_real_gate_agrees_with_what_it_was_told_and_nothing_else(stage, valkey_url, namespace):
    gate = make_gate(valkey_url, namespace)
    try:
        gate.set_balance(1, 10 * NANO, 1)
        assert codes(stage, gate) == []
        gate.set_balance(2, 10 * NANO, 2)
        assert codes(stage, gate) == ["gate_newer"]
    finally:
        gate.close()


def test_what_reached_the_books_after_the_gate_was_asked_is_no_finding(stage, now):
    """The gate hears of an answer right after its commit: it must never look newer for that."""

    class Busy(Gate):
        def snapshot(self, user_id, link_id):
            if user_id == 1:
                changes.top_up(stage.db, Change(1, NANO, "CNY", "x", "a"), actor=ACTOR, now=now)
            return super().snapshot(user_id, link_id)

    assert codes(stage, Busy(u1=(11 * NANO, 2))) == []


def settle(stage: Stage, name: str, **changed) -> None:
    with stage.db.begin() as session:
        settle_turns(session, [stage.turn(name, **changed)], RULES)


def test_answers_without_a_price_version_are_one_finding(stage, now):
    with stage.db.begin() as session:
        version = PriceVersion(
            id=1,
            effective_at=now,
            document={},
            digest="0" * 64,
            created_at=now,
            note="x",
            created_by="alice",
        )
        session.add(version)
    settle(stage, "a")
    settle(stage, "b", priced_by=replace(PRICED_BY, version_id=1))
    settle(stage, "c", received_at=now + timedelta(hours=2))
    (finding,) = audit(stage)
    assert (finding.code, finding.ids) == ("events_unpriced", {"count": 2, "first": 1, "last": 3})
    (finding,) = audit(stage, since=now + timedelta(hours=1))
    assert finding.ids == {"count": 1, "first": 3, "last": 3}
    assert audit(stage, since=now + timedelta(hours=3)) == []


@pytest.mark.parametrize(
    ("hours", "is_resolved", "found"),
    [(25, False, ["quarantine_unresolved"]), (23, False, []), (25, True, [])],
)
def test_unreadable_finish_is_named_when_nobody_looks_for_a_day(
    stage, now, hours, is_resolved, found
):
    with stage.db.begin() as session:
        session.add(
            QuarantinedFinish(
                reference="r",
                link_id=stage.link_id,
                received_at=now - timedelta(hours=hours),
                reason="request_malformed",
                digest="0" * 64,
                body_bytes=3,
                sealed_body=b"x",
                resolved_at=now if is_resolved else None,
                resolution="booked" if is_resolved else None,
            )
        )
    assert codes(stage) == found


@pytest.mark.parametrize(("count", "found"), [(20, ["turns_unfinished"]), (19, [])])
def test_questions_without_a_finish_are_named_when_they_are_many(stage, now, count, found):
    with stage.db.begin() as session:
        for number in range(count):
            session.add(
                UnfinishedTurn(
                    ticket=f"t{number}",
                    user_id=1,
                    link_id=stage.link_id,
                    is_guest=False,
                    asked_at=now - timedelta(hours=1),
                    expired_at=now,
                    hold=1,
                    points_hold=1,
                    recorded_at=now,
                )
            )
    assert codes(stage) == found


@pytest.mark.parametrize(("minutes", "found"), [(11, ["spool_waits"]), (9, [])])
def test_finish_that_waits_though_the_database_answers_is_named(stage, now, minutes, found):
    waiting = replace(EMPTY_SPOOL, records=3, oldest_at=now - timedelta(minutes=minutes))
    assert codes(stage, spool=waiting) == found


@pytest.mark.parametrize("kind", ["rejected", "damaged"])
def test_spooled_finish_that_was_set_aside_is_named(stage, kind):
    (finding,) = audit(stage, spool=replace(EMPTY_SPOOL, **{kind: 2}))
    assert (finding.code, finding.ids) == ("spool_aside", {"count": 2})


@pytest.mark.parametrize("made", [True, False])
def test_missing_partitions_and_lines_astray_are_named(stage, now, made):
    if made:
        partitions.prepare(stage.db, now)
    years_ago = stage.turn("a", received_at=now - timedelta(days=2000))
    with stage.db.begin() as session:
        settle_turns(session, [years_ago], RULES)
    if made:
        partitions.prepare(stage.db, now)
    in_a_year = now + timedelta(days=365)
    expected = {"partitions_missing"} | (set() if made else {"lines_astray"})
    found = {code for code in codes(stage, now=in_a_year) if code in PARTITIONING}
    assert found == (expected if stage.db.dialect == "postgresql" else set())


def made_codes(path: Path) -> set[str]:
    """The first argument of everything like Finding(...), and of tuples that are yielded."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Name(id="Finding" | "Break"), args=[ast.Constant(value=code), *_]
            ):
                found.add(code)
            case ast.Yield(value=ast.Tuple(elts=[ast.Constant(value=code), _])):
                found.add(code)
    return found


def test_every_code_is_in_the_lists_that_metrics_are_made_of():
    statements = Path(selfaudit.__file__).parent
    ledger = statements.parent / "ledger"
    assert made_codes(statements / "selfaudit.py") == set(selfaudit.CODES)
    books = made_codes(statements / "verification.py") | made_codes(ledger / "verify.py")
    books |= made_codes(statements / "shelf.py")
    books |= made_codes(ledger / "credit/checking.py")
    books |= made_codes(statements.parent / "closings/checking.py")
    books |= set().union(*map(made_codes, (statements / "redemptions").glob("*.py")))
    assert books | made_codes(ledger / "chain.py") == set(verification.CODES)


def test_every_code_is_explained():
    text = (Path(selfaudit.__file__).parents[1] / "ledger" / "README.md").read_text("utf-8")
    missing = [code for code in (*verification.CODES, *selfaudit.CODES) if f"`{code}`" not in text]
    assert missing == []
