"""A list of answers is what a plain loop finds, page by page, whichever index leads there."""

import itertools
from collections import defaultdict

import pytest
from app.reports.events import store
from app.reports.events.listing import list_events
from app.reports.events.store import EventFilters
from app.reports.events.used import store as used_store
from app.reports.explore import explore
from app.reports.query import Filters, Query
from test_explore import ANSWERS

from books import make_link, make_users
from reports_builders import SEGMENTS, SHANGHAI, count, make_around, write

DEPARTMENTS = [None, ("Sales",), ("",), ("Sales", "R&D 研发"), ("nobody's",)]
PLANS = [None, (1,), (1, 2)]
ISSUERS = [None, (1,), (2,)]
MODELS = ["GPT-5", "Qwen", "", "unknown"]


@pytest.fixture
def house(db, now):
    with db.begin() as session:
        make_link(session, now, "first")
        make_link(session, now, "second")
        make_users(session, now, 5)
        make_around(session, now)
    return db


@pytest.fixture
def answered(house):
    write(house, ANSWERS)
    return house


def everything(db, filters, limit):
    found, cursor = [], None
    while True:
        with db.read() as session:
            page = list_events(session, filters, cursor=cursor, limit=limit)
        found += page.events
        cursor = page.cursor
        if cursor is None:
            return found


def naive(departments, plans, issuers):
    return {
        number
        for number, answer in enumerate(ANSWERS, 1)
        if (departments is None or SEGMENTS[answer.segment_id] in departments)
        and (plans is None or answer.plan_id in plans)
        and (issuers is None or (2 if answer.user_id == 5 else 1) in issuers)
    }


@pytest.mark.parametrize("heads_max", [0, 100])
def test_answers_are_found_by_plan_issuer_and_attribute(answered, monkeypatch, heads_max):
    monkeypatch.setattr(store, "HEADS_MAX", heads_max)
    for departments, plans, issuers in itertools.product(DEPARTMENTS, PLANS, ISSUERS):
        chosen = () if departments is None else (("department", frozenset(departments)),)
        filters = EventFilters(
            plan_ids=None if plans is None else frozenset(plans),
            issuer_ids=None if issuers is None else frozenset(issuers),
            attributes=chosen,
        )
        found = everything(answered, filters, 57)
        assert {one.id for one in found} == naive(departments, plans, issuers)
        places = [(one.received_at, one.id) for one in found]
        assert places == sorted(set(places), reverse=True)


def test_the_answers_of_a_row_add_up_to_it(answered, now):
    count(answered, now)
    first, last = min(one.at for one in ANSWERS), max(one.at for one in ANSWERS)
    query = Query(
        since=first, until=last, zone=SHANGHAI, by=("plan", "attribute:department"),
        filters=Filters(issuers=frozenset({1})),
    )  # fmt: skip
    with answered.read() as session:
        report = explore(session, query)
    sums = defaultdict(int)
    for row in report.rows:
        plan, department = row.keys
        if not plan:
            continue
        filters = EventFilters(
            since=report.since, until=report.until, plan_ids=frozenset({plan}),
            issuer_ids=frozenset({1}), attributes=(("department", frozenset({department})),),
        )  # fmt: skip
        found = everything(answered, filters, 200)
        told = (len(found), sum(one.points for one in found), sum(one.charge for one in found))
        assert told == (row.amounts.questions, row.amounts.points, row.amounts.charge)
        sums[plan] += len(found)
    assert len(sums) == 2


@pytest.fixture
def by_quarters(monkeypatch):
    """Whether the sums told where the answers are, one time after the other."""
    told, real = [], used_store.newest

    def spied(*args, **kwargs):
        heads = real(*args, **kwargs)
        told.append(heads is not None)
        return heads

    monkeypatch.setattr(used_store, "newest", spied)
    return told


PERIODS = [(None, None), (0.21, None), (None, 0.83), (0.4, 0.6)]


def with_model(model, since, until):
    """Ids, as a plain loop finds them."""
    places = sorted(((answer.at, number) for number, answer in enumerate(ANSWERS, 1)), reverse=True)
    return [
        number
        for at, number in places
        if model in {line.model for line in ANSWERS[number - 1].lines}
        and (since is None or since <= at)
        and (until is None or at < until)
    ]


@pytest.mark.parametrize("uncounted", [0, 7])
def test_answers_with_a_model_are_found_where_it_was_used(
    house, now, monkeypatch, by_quarters, uncounted
):
    monkeypatch.setattr(used_store, "WALKED_MAX", 1)
    number = len(ANSWERS) - uncounted
    write(house, ANSWERS[:number])
    count(house, now)
    write(house, ANSWERS[number:], first=number + 1)
    times = sorted(answer.at for answer in ANSWERS)
    for model, parts in itertools.product(MODELS, PERIODS):
        since, until = (part and times[int(len(times) * part)] for part in parts)
        filters = EventFilters(model=model, since=since, until=until)
        for limit in (9, 40):
            found = everything(house, filters, limit)
            assert [event.id for event in found] == with_model(model, since, until)
    assert all(by_quarters)


def test_a_few_answers_are_walked_through(answered, now, monkeypatch, by_quarters):
    count(answered, now)
    for walked, expected in ((len(ANSWERS), False), (5, True)):
        monkeypatch.setattr(used_store, "WALKED_MAX", walked)
        with answered.read() as session:
            list_events(session, EventFilters(model="GPT-5"), limit=7)
        assert by_quarters.pop() is expected
    everything(answered, EventFilters(model="unknown"), 3)
    assert by_quarters == [True]


def test_what_would_be_too_many_quarters_is_walked_through(answered, now, monkeypatch, by_quarters):
    monkeypatch.setattr(used_store, "WALKED_MAX", 1)
    count(answered, now)
    found = everything(answered, EventFilters(model="GPT-5"), 1000)
    assert [event.id for event in found] == with_model("GPT-5", None, None)
    assert by_quarters == [False]


def test_where_the_sums_do_not_tell_answers_are_walked_through(
    answered, now, monkeypatch, by_quarters
):
    monkeypatch.setattr(used_store, "WALKED_MAX", 1)
    filters = EventFilters(model=MODELS[0])
    walked = everything(answered, filters, 50)
    count(answered, now)
    assert everything(answered, filters, 50) == walked
    assert walked
    assert by_quarters[0] is False
    assert by_quarters[-1] is True
