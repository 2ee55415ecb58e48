"""Totals of the house, its users and models tell what they are made of, in fewer rows."""

import itertools
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.metering.models import UsageEvent
from app.reports import store
from app.reports.explore import explore, totals
from app.reports.proof import check
from app.reports.query import Filters, Query
from app.reports.spans import (
    DAY,
    HOUR,
    MONTH,
    QUARTER,
    Span,
    around,
    begun_in,
    by_hours,
    cover,
    covered,
    quarter_of,
    singles,
)
from app.reports.top import store as top_store
from app.reports.visitors import store as visitors_store
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from books import make_link, make_users
from reports_builders import SHANGHAI, Answer, Line, count, make_around, write

USERS = 60
BEGIN = datetime(2026, 3, 9, tzinfo=SHANGHAI)
DAYS = 75
KOLKATA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
_RNG = random.Random(11)


def _answer(at):
    """Some ask far more than others, and some of what is asked costs nothing."""
    user_id = min(int(_RNG.paretovariate(0.7)), USERS)
    lines = [
        Line(_RNG.choice(["GPT-5", "Qwen"]), _RNG.choice(["chatNode", "tools"]), 3, charge)
        for charge in _RNG.choices([0, 5, 5, 70], k=_RNG.randrange(1, 3))
    ]
    return Answer(
        *(at, user_id, _RNG.choice([1, 2]), _RNG.choice(["bot", None]), lines),
        segment_id=_RNG.choice([None, 1, 3]),
        plan_id=_RNG.choice([None, 1, 2]),
        version_id=_RNG.choice([1, 2, 3]),
    )


ANSWERS = [_answer(BEGIN + timedelta(seconds=_RNG.randrange(DAYS * 86400))) for _ in range(900)]


@pytest.fixture
def counted(db, now):
    with db.begin() as session:
        make_users(session, now, USERS)
        make_link(session, now, "one")
        make_link(session, now, "two")
        make_around(session, now)
    write(db, ANSWERS)
    count(db, now)
    return db


@pytest.fixture
def house(db, now):
    with db.begin() as session:
        make_users(session, now, 3)
        make_link(session, now, "one")
        make_around(session, now)
    return db, now


@st.composite
def queries(draw):
    first = draw(st.integers(0, DAYS - 1))
    days = draw(st.integers(1, DAYS))
    return Query(
        since=BEGIN + timedelta(days=first, hours=draw(st.sampled_from([0, 0, 17]))),
        until=BEGIN + timedelta(days=first + days, hours=draw(st.sampled_from([0, 0, 5]))),
        zone=draw(st.sampled_from([SHANGHAI, SHANGHAI, KOLKATA, NEW_YORK])),
        per=draw(st.sampled_from([None, None, "hour", "day", "week", "month"])),
        by=draw(
            st.sampled_from(
                [
                    *[(), ("user",), ("user",), ("model",), ("model", "node_kind")],
                    *[("user", "model"), ("node_kind", "user"), ("plan", "model", "node_kind")],
                    *[("attribute:department", "model"), ("issuer", "node_kind"), ("plan",)],
                ]
            )
        ),
        filters=draw(
            st.sampled_from(
                [
                    Filters(),
                    Filters(),
                    Filters(models=frozenset({"Qwen"})),
                    Filters(models=frozenset({"Qwen", "GPT-5"})),
                    Filters(node_kinds=frozenset({"tools"})),
                    Filters(users=frozenset({1, 2, 7})),
                    Filters(users=frozenset({1}), models=frozenset({"GPT-5"})),
                    Filters(plans=frozenset({1})),
                    Filters(attributes=(("department", frozenset({"Sales"})),)),
                    Filters(links=frozenset({1})),
                ]
            )
        ),
        sort=draw(st.sampled_from(["charge", "charge", "points"])),
        limit=draw(st.sampled_from([1, 2, 5, 1000])),
        with_visitors=draw(st.booleans()),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries())
def test_reports_are_the_same_with_and_without_totals(counted, query):
    with counted.read() as session:
        position = store.position(session)
        assert position.totals_from == position.models_from == 0
        without = replace(position, totals_from=None, models_from=None)
        plain = explore(session, query, position=without)
        assert explore(session, query, position=position) == plain


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=queries(),
    per=st.sampled_from(["day", "week", "month"]),
    seen=st.none() | st.integers(-5, DAYS).map(lambda day: BEGIN + timedelta(days=day)),
)
def test_buckets_add_up_to_what_the_period_has(counted, query, per, seen):
    query = replace(query, per=per, with_times=True, seen_since=seen)
    with counted.read() as session:
        whole = explore(session, replace(query, per=None)).total
        assert explore(session, query).total == whole


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.integers(-1, DAYS), min_size=1, max_size=4),
    quarters=st.integers(1, 96),
)
def test_who_asked_in_a_day_or_month_up_to_a_time_is_found_in_totals(counted, days, quarters):
    query = Query(BEGIN, BEGIN + timedelta(days=DAYS), SHANGHAI, with_visitors=True)
    begins = [BEGIN + timedelta(days=day) for day in days]
    ends = timedelta(minutes=15 * quarters)
    periods = [(day, day + ends) for day in begins]
    periods += [(day.replace(day=1), day + ends) for day in begins]
    with counted.read() as session:
        position = store.position(session)
        plain = totals(session, query, periods, position=replace(position, totals_from=None))
        assert totals(session, query, periods, position=position) == plain


def test_whoever_comes_late_asked_first_when_the_answer_came(counted, now):
    """What waited in a spool is counted after what came later, also of the same user and day."""
    day = BEGIN + timedelta(days=DAYS + 3)
    came = [(20, 1), (9, 1), (9, 2), (22, 2), (9, 3)]
    for place, (hour, user_id) in enumerate(came, len(ANSWERS) + 1):
        write(counted, [Answer(day + timedelta(hours=hour), user_id, 1)], first=place)
        count(counted, now)
    with counted.read() as session:
        position = store.position(session)
        query = Query(BEGIN, day, SHANGHAI, with_visitors=True)
        periods = [(day, day + timedelta(hours=hour)) for hour in (9, 10, 21, 24)]
        found = [one.visitors for one in totals(session, query, periods, position=position)]
        assert found == [0, 3, 3, 3]
        month = day.replace(day=1)
        (late,) = totals(session, query, [(month, day + timedelta(days=1))], position=position)
        assert late.visitors == len({one.user_id for one in ANSWERS if one.at >= month} | {1, 2, 3})
    with counted.read() as session:
        differs = check.differences(session, since=day, until=day + timedelta(days=1))
        assert not list(differs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    came=st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    ),
    first=st.integers(0, 6),
    days=st.integers(1, 7),
)
@example([[(5, 1), (1, 1)], [(3, 1), (2, 1), (3, 2)], [(2, 2), (0, 1)]], 2, 3)
def test_who_asked_in_some_days_is_found_by_the_day_before(house, came, first, days):
    """However late answers of earlier days come, and several of one user at once."""
    db, now = house
    with db.begin() as session:
        known = session.scalar(sa.select(sa.func.max(UsageEvent.id))) or 0
        begin = BEGIN + timedelta(days=10 * known)  # where nobody has asked yet
    for batch in came:
        answers = [Answer(begin + timedelta(days=day, hours=9), user, 1) for day, user in batch]
        write(db, answers, first=known + 1)
        known += len(answers)
        count(db, now)
    since, until = begin + timedelta(days=first), begin + timedelta(days=first + days)
    with db.read() as session:
        query = Query(since, until, SHANGHAI, with_visitors=True)
        found = explore(session, query).total.visitors
        window = {"since": begin, "until": begin + timedelta(days=7)}
        assert list(check.differences(session, **window)) == []
    asked = {(day, user) for batch in came for day, user in batch}
    assert found == len({user for day, user in asked if first <= day < first + days})


def test_visitors_of_whole_days_are_not_counted_one_by_one(counted, monkeypatch):
    monkeypatch.setattr(visitors_store, "_counted", None)
    week = Query(BEGIN, BEGIN + timedelta(days=7), SHANGHAI, with_visitors=True)
    with counted.read() as session:
        found = explore(session, week).total.visitors
        last = max(answer.at for answer in ANSWERS)
        until_now = replace(week, until=last + timedelta(minutes=15))
        of_all = explore(session, until_now).total.visitors
        assert explore(session, replace(week, per="week")).total.visitors == found
    asked = {one.user_id for one in ANSWERS if one.at < week.until}
    assert (found, of_all) == (len(asked), len({one.user_id for one in ANSWERS}))


def _charges(query):
    """What each user is charged, or each with each model."""
    found = Counter()
    for answer in ANSWERS:
        if query.since <= answer.at < query.until:
            for line in answer.lines:
                keys = (answer.user_id, line.model)
                found[keys[: len(query.by)]] += line.charge
    return found


@pytest.fixture
def candidates(monkeypatch):
    """What was found of whoever can be among the first, one after the other."""
    found, real = [], top_store.candidates

    def spied(*args):
        found.append(real(*args))
        return found[-1]

    monkeypatch.setattr(top_store, "candidates", spied)
    return found


@pytest.mark.parametrize(("by", "hour"), [(("user",), 0), (("user",), 17), (("user", "model"), 0)])
def test_few_are_looked_at_to_find_who_is_charged_most(counted, candidates, by, hour):
    begin = BEGIN + timedelta(hours=hour)
    query = Query(begin, begin + timedelta(days=60), SHANGHAI, by=by, limit=2)
    with counted.read() as session:
        report = explore(session, query)
    best = sorted(_charges(query).items(), key=lambda charged: (-charged[1], charged[0]))[:2]
    assert [row.keys for row in report.rows[:2]] == [keys for keys, _ in best]
    (few,) = candidates
    assert {user_id for (user_id, *_), _ in best} <= few
    assert len(few) < USERS / 3


@pytest.mark.parametrize(
    "chosen", [{"filters": Filters(models=frozenset({"Qwen"}))}, {"link_ids": frozenset({1})}]
)
def test_of_some_answers_everybody_is_added_up(counted, candidates, chosen):
    """Those who are charged most in all may have none of them."""
    query = Query(BEGIN, BEGIN + timedelta(days=60), SHANGHAI, by=("user",), limit=2, **chosen)
    with counted.read() as session:
        assert len(explore(session, query).rows) == 3
    assert candidates == [None]


def test_nothing_is_taken_away_of_what_is_still_to_come():
    """Of a period up to now: the rest of its day and of its month."""
    low, high = (quarter_of(datetime(2026, 3, day, 17, tzinfo=SHANGHAI)) for day in (1, 26))
    whole = tuple(cover(low, high, SHANGHAI))
    taken = {span for span in whole if span.sign < 0}
    assert {span.width for span in taken} == {QUARTER, DAY}
    assert covered(low, high, SHANGHAI, max(span.high for span in whole)) == whole
    begin = {span for span in taken if span.low < high}
    assert set(covered(low, high, SHANGHAI, high)) == set(whole) - taken | begin


def test_where_all_are_charged_nothing_everybody_is_added_up(counted, now):
    free = [Answer(BEGIN - timedelta(days=9), user_id, 1, lines=[]) for user_id in (9, 3)]
    write(counted, free, first=len(ANSWERS) + 1)
    count(counted, now)
    query = Query(BEGIN - timedelta(days=9), BEGIN - timedelta(days=8), SHANGHAI, by=("user",))
    with counted.read() as session:
        report = explore(session, query)
    assert [row.keys for row in report.rows] == [(3,), (9,)]


@given(st.integers(1_900_000, 1_950_000), st.integers(1, 9000))
@example(1_471_000, 3000)
def test_days_and_months_around_a_period_have_all_of_it_once(low, quarters):
    zone, high = ZoneInfo("Pacific/Apia"), low + quarters
    found = sorted(around(covered(low, high, zone, 2**31), zone), key=lambda one: one.low)
    assert found[0].low <= low
    assert found[-1].high >= high
    assert all(one.high == other.low for one, other in itertools.pairwise(found))
    assert {one.width for one in found} <= {DAY, MONTH}


@given(st.integers(1_900_000, 1_900_009), st.integers(0, 19), st.sampled_from([1, -1]))
def test_hours_stand_for_their_quarters(low, quarters, sign):
    found = by_hours([Span(QUARTER, low, low + quarters, sign), Span(DAY, low, low + 96)])
    assert found.pop() == Span(DAY, low, low + 96)
    edges = [low, *(span.high for span in found)] if quarters else [low]
    assert [span.low for span in found if quarters] == edges[:-1]
    assert edges[-1] == low + quarters
    assert all(span.sign == sign for span in found)
    for span in found:
        if span.width == HOUR:
            assert (span.low % 4, span.high % 4) == (0, 0)
        else:
            assert span.high - span.low < 7
    assert quarters < 7 or HOUR in {span.width for span in found}


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "Pacific/Apia"])
def test_spans_are_cut_into_their_days_and_months(zone):
    zone = ZoneInfo(zone)
    low = quarter_of(datetime(2011, 9, 17, tzinfo=UTC))
    high = quarter_of(datetime(2012, 4, 9, tzinfo=UTC))  # Apia left out a day in between
    for span in cover(low, high, zone):
        if span.width in {DAY, MONTH}:
            cut = list(singles(span, zone))
            assert (cut[0].low, cut[-1].high) == (span.low, span.high)
            assert all(begun_in([one], zone) == one for one in cut)
            assert (begun_in([span], zone) == span) == (len(cut) == 1)
