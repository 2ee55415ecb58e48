"""Closing months: frozen, in order, exactly once, whatever comes late."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from app.closings import closing, content, store
from app.closings.closing import ClosingUnderWay, MonthClosed, MonthNotOver, MonthOutOfOrder
from app.closings.lookup import closed_period, period_of_month
from app.closings.models import Closing, ClosingRun, FrozenStatement
from app.closings.sums import store as sums
from app.ledger.models import Account
from app.users.models import User

from closing_builders import ZONE, House, at

YUAN = 10**9


class Killed(BaseException):
    """As a process ends."""


def amounts(said):
    return {
        (one["kind"], one["is_rerating"], one["is_late"]): one["amount"] for one in said["sums"]
    }


@pytest.fixture
def house(db):
    made = House(db, departments=("R&D", "R&D"))
    made.top_up(0, at("2026-11-02"), 100 * YUAN)
    made.answer(0, at("2026-11-03"), [("GPT-5", 2 * YUAN), ("Qwen", YUAN)])
    made.answer(0, at("2026-11-04"), [("GPT-5", YUAN)], link=1, extra=YUAN // 2)
    made.top_up(1, at("2026-11-30", "23:59"), 10 * YUAN)
    made.top_up(1, at("2026-12-01", "00:00"), 5 * YUAN)
    return made


def test_a_month_is_frozen_with_what_is_of_it(house):
    made = house.close(202611)
    assert (made.opening, made.closing) == (0, 105 * YUAN + YUAN // 2)
    assert (made.statements, made.departments) == (3, 1)
    said = house.statements(202611)[0]
    assert said["number"] == "2026-000001"
    assert (said["opening"], said["closing"], said["charged"]) == ("0", "95.5", "4.5")
    assert [(one["name"], one["charge"]) for one in said["links"]] == [
        ("support", "3"),
        ("sales", "1.5"),
    ]
    assert [(one["model"], one["charge"]) for one in said["models"]] == [
        ("GPT-5", "3"),
        ("Qwen", "1"),
        (None, "0.5"),
    ]
    assert [one["kind"] for one in said["entries"]] == ["top_up"]
    group = house.statements(202611, "department")["R&D"]
    assert (group["closing"], group["charged"]) == ("105.5", "4.5")
    assert [one["number"] for one in group["members"]] == ["2026-000001", "2026-000002"]
    assert house.findings() == []
    with house.db.read() as session:
        period = closed_period(session, 202611)
        following = period_of_month(session, 202612, ZONE)
    assert (period.since, period.until) == (at("2026-11-01", "00:00"), at("2026-12-01", "00:00"))
    assert period.after is None
    assert following.after == period.upto
    assert following.upto is None


def test_statements_are_found_by_names_in_capitals_or_not(house):
    house.close(202611)
    with house.db.read() as session:
        name = session.scalars(sa.select(User.subject).order_by(User.id)).first()
        for text, number in ((name.upper(), 1), ("r&d", 3), ("R&d%", 0)):
            found = store.list_statements(session, store.Wanted(text=text), limit=9)
            assert len(found) == number


def test_what_comes_late_falls_into_the_next_month_and_is_marked(house):
    first = house.close(202611)
    frozen = house.statements(202611)
    house.answer(0, at("2026-11-29"), [("GPT-5", 7 * YUAN)])
    _, reference = house.answer(1, at("2026-12-02"), [("GPT-5", 4 * YUAN)])
    house.rerate(1, at("2026-12-03"), reference, 4 * YUAN, 3 * YUAN, "2026-12")
    second = house.close(202612)
    assert (second.opening, second.closing) == (first.closing, first.closing - 5 * YUAN)
    said = house.statements(202612)
    assert amounts(said[0]) == {("charge", False, True): "-7"}
    assert said[0]["previous"] == "2026-000001"
    assert said[0]["opening"] == frozen[0]["closing"]
    assert amounts(said[1]) == {
        ("charge", False, False): "-4",
        ("adjustment", True, False): "1",
        ("top_up", False, False): "5",
    }
    assert second.previous_hash == first.hash
    assert house.statements(202611) == frozen
    assert house.findings() == []


def test_months_are_closed_in_order_when_they_are_over_and_once(house):
    with pytest.raises(MonthNotOver):
        house.close(202611, at("2026-12-01", "00:59"))
    first = house.close(202611, at("2026-12-01", "01:00"))
    with pytest.raises(MonthClosed):
        house.close(202611)
    with pytest.raises(MonthOutOfOrder):
        house.close(202701)
    with pytest.raises(MonthOutOfOrder):
        house.close(202610)
    house.close(202612)
    with house.db.read() as session:
        assert store.get(session, 202611).hash == first.hash
        assert session.scalar(sa.select(sa.func.count()).select_from(ClosingRun)) == 0


def test_a_killed_closing_goes_on_where_it_was(house, monkeypatch):
    monkeypatch.setattr(sums, "WALLET_ROWS", 1)
    monkeypatch.setattr(sums.list_wallets, "__kwdefaults__", {"limit": 1})
    seen = []

    def kill(session, step):
        del session
        seen.append(step)
        raise Killed

    for _ in range(2):  # each attempt gets nothing done: its transaction is undone
        with pytest.raises(Killed):
            house.close(202611, alongside=kill)
    steps = closing.close(house.db, house.order(202611))
    assert next(steps).done == 1
    steps.close()
    with house.db.read() as session:
        assert store.find_last(session) is None
        with pytest.raises(store.StatementNotFound):
            store.get_statement(session, 2026, 1)
    with pytest.raises(ClosingUnderWay):
        house.close(202610)
    # Of November, but the run's position was decided before it.
    house.answer(0, at("2026-11-05"), [("GPT-5", YUAN)])
    made = house.close(202611)
    assert made.statements == 3
    assert house.statements(202611)[0]["charged"] == "4.5"
    assert house.findings() == []


def test_two_who_close_at_once_take_turns(house, monkeypatch):
    monkeypatch.setattr(sums.list_wallets, "__kwdefaults__", {"limit": 1})
    one = closing.close(house.db, house.order(202611))
    other = closing.close(house.db, house.order(202611))
    for _ in range(2):
        next(one)
        next(other, None)
    list(one)
    list(other)
    with house.db.read() as session:
        assert store.get(session, 202611).statements == 3
        assert [year.count for year in store.numbers_by_year(session)] == [3]
    assert house.findings() == []


def test_two_at_the_same_moment_make_one_closing(house, monkeypatch):
    monkeypatch.setattr(sums.list_wallets, "__kwdefaults__", {"limit": 1})
    start = threading.Barrier(2)

    def close():
        start.wait()
        try:
            return len(list(closing.close(house.db, house.order(202611))))
        except MonthClosed:  # the other was through before this one began
            return 0

    with ThreadPoolExecutor(2) as pool:
        steps = [one.result() for one in [pool.submit(close) for _ in range(2)]]
    assert sum(steps) == 4  # two wallets, a department, the closing: each by one of them
    with house.db.read() as session:
        assert store.get(session, 202611).statements == 3
        assert len(store.list_all(session)) == 1
    assert house.findings() == []


def test_the_same_closing_has_the_same_hash_later(db):
    """Derived twice, with more rows posted in between, and names changed."""
    house = House(db, users=1)
    house.top_up(0, at("2026-11-02"), 3 * YUAN)
    house.answer(0, at("2026-11-03"), [("GPT-5", YUAN)])
    made = house.close(202611)
    house.answer(0, at("2026-11-03"), [("GPT-5", YUAN)])
    house.top_up(0, at("2026-12-03"), YUAN)
    with house.db.begin() as session:
        session.execute(sa.text("UPDATE links SET name = 'renamed' WHERE name = 'support'"))
    assert house.findings() == []
    with house.db.read() as session:
        again = store.get(session, 202611)
    assert content.hash_of(again.content.encode()) == made.hash


def test_closings_and_statements_refuse_to_be_changed(house):
    house.close(202611)
    for statement in (
        sa.update(Closing).values(closing=0),
        sa.delete(Closing),
        sa.update(FrozenStatement).values(closing=0),
        sa.delete(FrozenStatement),
    ):
        with pytest.raises(sa.exc.IntegrityError), house.db.begin() as session:
            session.execute(statement)


def test_what_was_changed_past_the_service_is_found(house):
    house.close(202611)
    table = FrozenStatement.__table__
    with house.db.begin() as session:
        if house.db.dialect == "sqlite":
            session.execute(sa.text("DROP TRIGGER statements_no_update"))
        else:
            session.execute(sa.text("ALTER TABLE statements DISABLE TRIGGER ALL"))
        row = session.scalar(sa.select(FrozenStatement).where(FrozenStatement.ordinal == 1))
        changed = row.content.replace('"closing":"95.5"', '"closing":"96.5"')
        session.execute(
            sa.update(table)
            .where(table.c.ordinal == 1)
            .values(content=changed, hash=content.hash_of(changed.encode()))
        )
        session.execute(sa.update(table).where(table.c.ordinal == 3).values(ordinal=4))
    assert set(house.findings()) == {
        "statement_differs",
        "closing_differs",
        "statement_numbers_gap",
    }


def test_the_first_closing_may_begin_where_the_books_are_older(db):
    house = House(db, users=2)
    house.top_up(0, at("2026-09-05"), 9 * YUAN)
    house.answer(1, at("2026-10-02"), [("GPT-5", 2 * YUAN)])
    house.answer(0, at("2026-11-02"), [("GPT-5", 2 * YUAN)])
    made = house.close(202611)
    assert (made.opening, made.closing) == (7 * YUAN, 5 * YUAN)
    said = house.statements(202611)
    assert [(said[user]["opening"], said[user]["closing"]) for user in (0, 1)] == [
        ("9", "7"),
        ("-2", "-2"),
    ]
    assert house.findings() == []
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.sum(Account.balance))) == made.closing
