"""What is looked at for alerts, on the books of a small service."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from app.alarms import watch
from app.alarms.around import Around, Failing
from app.alarms.machine import Machine, Streaks
from app.alerts import rule_commands, store
from app.alerts.notices import Told
from app.alerts.rule_commands import RuleChange
from app.audit.journal import Actor
from app.cli import foundation
from app.config import Settings
from app.findings import store as findings_store
from app.funding import changes
from app.funding.changes import Change
from app.ledger.models import Account
from app.limits import LinkLimits, VisitorLimits
from app.links.models import Link
from app.metering.models import QuarantinedFinish, UsageDay
from app.money import NANO
from app.plans import store as plan_store
from app.spool.census import Status
from app.tokens.models import Issuer
from app.unfinished.models import UnfinishedTurn
from app.users.models import User

from books import make_link, make_users

BY = Actor("tests", "cli")
DAY = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
AROUND = Around(zone=SHANGHAI, currency="CNY")
IDLE = Status(0, 0, None, rejected=0, damaged=0, fullness=0.0)


class Books:
    """A service with one link and three users, and what they used on which day."""

    def __init__(self, db, now):
        self.db, self.now = db, now
        self.today = now.astimezone(SHANGHAI).date()
        foundation.ensure(db, Settings(), actor=BY, now=now)
        with db.begin() as session:
            self.users = make_users(session, now, 3)
            self.link = make_link(session, now)

    def pay(self, user, units, key):
        change = Change(user, units * NANO, "CNY", "x", key, allow_negative=True)
        do = changes.top_up if units > 0 else changes.adjust
        do(self.db, change, actor=BY, now=self.now)

    def use(self, user, *, days_ago=0, charge=0, points=0, link=None):
        with self.db.begin() as session:
            session.add(
                UsageDay(
                    user_id=user,
                    day=self.today - days_ago * DAY,
                    link_id=link or self.link,
                    is_guest=False,
                    questions=1,
                    points=points * NANO,
                    charge=charge * NANO,
                    input_tokens=0,
                    output_tokens=0,
                )
            )

    def change(self, kind, row_id, **values):
        with self.db.begin() as session:
            row = session.get(kind, row_id)
            for name, value in values.items():
                setattr(row, name, value)

    def rule(self, condition, subject="", **change):
        with self.db.begin() as session:
            rule_commands.set_rule(
                session, condition, RuleChange(**change), subject=subject, actor=BY, now=self.now
            )

    def open(self):
        with self.db.read() as session:
            found = store.list_alerts(session)
        return {(one.condition, one.subject): one for one in found}


@pytest.fixture
def books(db, now):
    return Books(db, now)


def test_low_balance_is_of_those_who_once_had_money(books, now):
    rich, poor, free = books.users
    books.pay(rich, 100, "a")
    books.pay(poor, 100, "b")
    books.pay(poor, -95, "c")
    books.pay(free, -1, "d")  # never paid anything in
    watch.watch_usage(books.db, AROUND, now)
    (alert,) = books.open().values()
    assert alert.subject == f"user:{poor}"
    assert alert.facts == {"balance": "5", "below": "10", "currency": "CNY"}
    books.pay(poor, 50, "e")
    assert watch.watch_usage(books.db, AROUND, now + DAY) == Told(resolved=1)


def test_credit_of_the_plan_counts_as_money(books, now):
    user = books.users[0]
    books.pay(user, 5, "a")
    with books.db.begin() as session:
        plan = plan_store.get_by_name(session, "default")
        plan.credit_limit = 20 * NANO
    watch.watch_usage(books.db, AROUND, now)
    assert books.open() == {}
    with books.db.begin() as session:
        issuer = session.get(User, user).issuer_id
    # The issuer's plan goes before the default one; without end, nobody is ever low.
    books.change(Issuer, issuer, spec={"default_plan": "guest"})
    watch.watch_usage(books.db, AROUND, now)
    assert set(books.open()) == {("low_balance", f"user:{user}")}


def test_users_and_links_may_have_rules_of_their_own(books, now):
    one, two, _ = books.users
    for user in (one, two):
        books.pay(user, 30, f"k{user}")
    books.rule("low_balance", f"user:{one}", thresholds={"below": "40"})
    watch.watch_usage(books.db, AROUND, now)
    assert set(books.open()) == {("low_balance", f"user:{one}")}
    books.rule("low_balance", f"user:{one}", is_enabled=False)
    assert watch.watch_usage(books.db, AROUND, now + DAY) == Told(resolved=1)


def test_wallet_that_has_not_moved_for_long_is_left_alone(books, now):
    books.pay(books.users[0], 5, "a")
    watch.watch_usage(books.db, AROUND, now + 31 * DAY)
    assert books.open() == {}


def test_budgets_of_links_and_users_are_told_at_each_percentage(books, now):
    user = books.users[0]
    limits = LinkLimits(points_per_month=Decimal(100), points_total=Decimal(1000))
    books.change(Link, books.link, limits=limits.stored())
    books.change(
        Link, books.link, visitor_limits=VisitorLimits(points_per_month=Decimal(90)).stored()
    )
    books.use(user, points=79)
    watch.watch_usage(books.db, AROUND, now)
    found = books.open()
    assert set(found) == {("budget", f"user:{user}/month")}
    assert found["budget", f"user:{user}/month"].level == 80
    books.use(user, days_ago=1, points=21)
    books.use(user, days_ago=40, points=750)  # another month: only the total counts it
    assert watch.watch_usage(books.db, AROUND, now) == Told(opened=2, escalated=1)
    levels = {subject: one.level for (_, subject), one in books.open().items()}
    assert levels == {
        f"user:{user}/month": 100,
        f"link:{books.link}/month": 100,
        f"link:{books.link}/total": 80,
    }


def test_own_limit_of_a_user_goes_before_the_links(books, now):
    user = books.users[0]
    books.use(user, points=50)
    books.change(User, user, limits=VisitorLimits(points_per_month=Decimal(50)).stored())
    books.rule("budget", thresholds={"percents": [50, 120]})
    watch.watch_usage(books.db, AROUND, now)
    (alert,) = books.open().values()
    assert (alert.subject, alert.level) == (f"user:{user}/month", 50)


def test_unusual_spending_is_told_of_user_link_and_all(books, now):
    one, two, new = books.users
    for week in range(1, 6):
        books.use(one, days_ago=7 * week, charge=100)
        books.use(one, days_ago=7 * week + 1, charge=9000)  # another weekday
        books.use(two, days_ago=7 * week, charge=100)
    books.use(one, charge=149)
    books.use(two, charge=151)
    books.use(new, charge=400)  # has no past that it could be held against
    watch.watch_usage(books.db, AROUND, now)
    spent = {s: one.facts["limit"] for (c, s), one in books.open().items() if c == "unusual_spend"}
    assert spent == {f"user:{two}": "150", f"link:{books.link}": "300", "all": "300"}


def test_refusals_are_counted_by_whoever_keeps_them(books, now):
    asked = []

    def count(_session, since, until):
        asked.append((since, until))
        return {"visitor_rate": 100, "link_open": 40} if until == now else {"visitor_rate": 960}

    around = Around(zone=SHANGHAI, currency="CNY", count_refusals=count)
    now += timedelta(minutes=30)
    watch.watch_service(books.db, around, now)
    hour = now - timedelta(minutes=30)
    assert asked == [(hour - DAY / 24, now), (hour - DAY / 24 - DAY, hour - DAY / 24)]
    (alert,) = books.open().values()
    assert (alert.subject, alert.facts["count"]) == ("code:link_open", 40)


def test_unfinished_turns_and_the_quarantine_are_told(books, now):
    user = books.users[0]
    with books.db.begin() as session:
        for number in range(20):
            session.add(
                UnfinishedTurn(
                    ticket=f"t{number}",
                    user_id=user,
                    link_id=books.link,
                    is_guest=False,
                    asked_at=now,
                    expired_at=now,
                    hold=0,
                    points_hold=0,
                    recorded_at=now,
                )
            )
        session.add(
            QuarantinedFinish(
                reference="r",
                link_id=books.link,
                received_at=now,
                reason="request_malformed",
                digest="0" * 64,
                body_bytes=3,
            )
        )
    watch.watch_service(books.db, AROUND, now)
    found = books.open()
    assert found["unfinished_turns", "all"].facts == {"unfinished": 20, "asked": 20}
    assert found["quarantine", "all"].facts == {"count": 1}


def test_files_that_do_not_arrive_are_told_until_somebody_mends_it(books, now):
    failing = [Failing("destination:2", "minio", 3, "it does not answer")]
    around = replace(AROUND, find_failing=lambda session: failing)
    watch.watch_service(books.db, around, now)
    told = books.open()["files_failing", "destination:2"]
    assert told.facts == {"count": 3, "error": "it does not answer"}
    failing.clear()
    assert watch.watch_service(books.db, around, now + DAY) == Told(resolved=1)


def _finding(code, message="m", **ids):
    return SimpleNamespace(code=code, message=message, ids=ids)


def test_findings_are_one_alert_for_each_code_until_they_are_gone(books, now):
    def found(at, *findings, resolves=()):
        with books.db.begin() as session:
            findings_store.record(session, findings, resolves=resolves, now=at)

    wrong = [_finding("hash_wrong", transaction=n) for n in range(3)]
    found(now, *wrong, _finding("gate_stale", user=1), _finding("spool_waits", count=3))
    watch.watch_service(books.db, AROUND, now)
    alerts = books.open()
    assert set(alerts) == {("findings", "code:hash_wrong"), ("findings", "code:gate_stale")}
    assert alerts["findings", "code:hash_wrong"].facts["count"] == 3
    assert alerts["findings", "code:hash_wrong"].severity == "critical"
    assert alerts["findings", "code:gate_stale"].severity == "warning"
    found(now + DAY, wrong[0], resolves=("hash_wrong",))
    watch.watch_service(books.db, AROUND, now + DAY)
    assert books.open()["findings", "code:hash_wrong"].facts["count"] == 1
    books.rule("findings", thresholds={"ignored": ["hash_wrong", "gate_stale"]})
    assert watch.watch_service(books.db, AROUND, now + 2 * DAY) == Told(resolved=2)


def test_spool_that_does_not_drain_and_jobs_that_fail_are_of_a_machine(books, now):
    streaks = Streaks()
    for _ in range(3):
        streaks.failed("verify_ledger", ValueError("a secret"))
    streaks.failed("prune_sessions", OSError())
    waiting = Status(7, 1, now - timedelta(minutes=9), rejected=0, damaged=0, fullness=0.1)
    watch.watch_machine(books.db, Machine("web-1", waiting, streaks.failing()), now)
    found = books.open()
    assert found["spool_waits", "machine:web-1"].facts == {"records": 7, "minutes": 9}
    failing = found["jobs_failing", "machine:web-1/verify_ledger"]
    assert failing.facts == {"job": "verify_ledger", "runs": 3, "error": "ValueError"}
    assert len(found) == 2
    streaks.done("verify_ledger")
    well = Machine("web-1", IDLE, streaks.failing())
    assert watch.watch_machine(books.db, well, now + DAY) == Told(resolved=2)


def test_switched_off_rules_look_at_nothing(books, now):
    for condition in ("low_balance", "budget", "unusual_spend", "spool_waits"):
        books.rule(condition, is_enabled=False)
    books.pay(books.users[0], 5, "a")
    books.use(books.users[0], charge=10**6)
    watch.watch_usage(books.db, AROUND, now)
    waiting = Status(7, 1, now - DAY, rejected=0, damaged=0, fullness=0.1)
    watch.watch_machine(books.db, Machine("web-1", waiting, {}), now)
    assert books.open() == {}
    assert books.db.run(lambda s: s.query(Account).count()) > 0
