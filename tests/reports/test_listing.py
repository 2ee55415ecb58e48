"""A list of answers is what a plain loop finds, page by page, whichever index leads there."""

import itertools
from collections import defaultdict

import pytest
from app.reports.events import store
from app.reports.events.listing import list_events
from app.reports.events.store import EventFilters
from app.reports.explore import explore
from app.reports.query import Filters, Query
from test_explore import ANSWERS

from books import make_link, make_users
from reports_builders import SEGMENTS, SHANGHAI, count, make_around, write

DEPARTMENTS = [None, ("Sales",), ("",), ("Sales", "R&D 研发"), ("nobody's",)]
PLANS = [None, (1,), (1, 2)]
ISSUERS = [None, (1,), (2,)]


@pytest.fixture
def answered(db, now):
    with db.begin() as session:
        make_link(session, now, "first")
        make_link(session, now, "second")
        make_users(session, now, 5)
        make_around(session, now)
    write(db, ANSWERS)
    return db


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
