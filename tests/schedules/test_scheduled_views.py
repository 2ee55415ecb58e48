"""Whatever the explorer offers can be kept as a view and scheduled."""

import csv
from datetime import timedelta
from itertools import combinations
from urllib.parse import urlencode

import pytest
from app.admin import usage_words
from app.admin.pages import usage as page
from app.admin.resources.asking import ReportQuery
from app.links.models import Link
from app.plans import store as plan_store
from app.reports.explore import explore
from app.reports.query import GROUPS, MEASURES
from app.reports.spans import UNITS
from app.saved_views import commands as views
from app.saved_views.commands import Owner, ViewSpec
from app.schedules import report_text, view_query
from app.tokens import store as token_store
from app.users.models import User

from books import make_link, make_users
from reports_builders import Answer, Line, count, write
from schedule_builders import MONDAY, Bureau

BY = (*GROUPS, "attribute:department")
FILTERS = {
    "user": "u_0",
    "link": "support",
    "app": "x",
    "model": "GPT-5",
    "node_kind": "chatNode",
    "attribute": "department=Sales",
}
PLAIN = {
    "per": UNITS,
    "by": BY,
    "sort": MEASURES,
    "limit": ("1", "1000"),
    "visitors": ("true",),
    "times": ("true",),
    "seen": ("true",),
    "basis": ("posted", "used"),
    "column": tuple(usage_words.COLUMNS),
    "measure": MEASURES,
    "bom": ("1",),
    "format": ("csv",),
    "period": ("30d",),
    "since": ("2026-11-01",),
    "until": ("2026-12-01",),
    "zone": ("Europe/Berlin",),
}


@pytest.fixture
def bureau(db, keys, tmp_path):
    made = Bureau(db, keys, tmp_path)
    with db.begin() as session:
        user = make_users(session, made.now)[0]
        session.get(User, user).attributes = {"department": "Sales"}
        link = make_link(session, made.now)
        made.filters = {
            **FILTERS,
            "user": session.get(User, user).uid,
            "link": session.get(Link, link).name,
            "issuer": token_store.list_issuers(session)[0].name,
        }
        plans = plan_store.list_all(session)
    if plans:
        made.filters["plan"] = plans[0].name
    line = Line("GPT-5", "chatNode", 5_000_000_000, 2_000_000_000)
    write(db, [Answer(MONDAY - timedelta(days=1), user, link, lines=[line])])
    count(db, made.now)
    return made


def asked(bureau, query):
    with bureau.db.read() as session:
        return view_query.asked_of(
            session,
            urlencode(query, doseq=True),
            report_text.SOME_PERIOD,
            MONDAY.tzinfo,
            seen_since=MONDAY,
        )


def test_every_name_the_explorer_knows_is_known_here():
    names = set(ReportQuery.model_fields) | page.OF_PAGE
    assert names == {*PLAIN, *page.FILTERS}
    assert set(view_query._FILTERS) == page.FILTERS
    assert list(usage_words.COLUMNS) == list(view_query.COLUMNS)
    assert page.PLAIN == view_query.PLAIN
    assert page.ASKED_BY == view_query._ASKED_BY
    for words in report_text._WORDS.values():
        assert {*GROUPS, *view_query.COLUMNS} <= set(words)


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_every_value_and_any_two_groups_can_be_scheduled(bureau):
    for name, values in PLAIN.items():
        for value in values:
            asked(bureau, {name: value})
    for pair in combinations(BY, 2):
        assert asked(bureau, {"by": pair}).query.by == pair
    for name, value in bureau.filters.items():
        assert asked(bureau, {name: value}).query.filters.named() != {}
    assert asked(bureau, {"column": "p95_ms"}).query.with_times
    assert asked(bureau, {"column": "refusals"}).query.seen_since == MONDAY
    assert asked(bureau, {"column": "visitors"}).query.with_visitors


@pytest.mark.parametrize("by", [["issuer", "attribute:department"], ["plan"], ["link"]])
def test_what_the_view_shows_is_what_is_sent(bureau, by):
    query = urlencode({"by": by, "per": "day", "column": list(usage_words.COLUMNS)}, doseq=True)
    with bureau.db.begin() as session:
        spec = ViewSpec(page="usage", name="all of it", query=query)
        view = views.create(session, spec, owner=Owner("ann"), now=bureau.now).id
    run_id = bureau.run_now(bureau.add(view))
    bureau.make(run_id)
    file = bureau.folder / "reports" / "all-of-it_2026-11-22.csv"
    heading, *rows = csv.reader(file.read_text("utf-8").splitlines())
    assert heading == ["at", *by, *usage_words.COLUMNS]
    total = dict(zip(heading, rows[-1], strict=True))
    assert (total["questions"], total["charge"], total["visitors"]) == ("1", "2", "1")
    assert total["cost"] == ""


def test_a_mail_says_where_net_is_without_corrections(bureau):
    with bureau.db.read() as session:
        reports = {by: explore(session, asked(bureau, {"by": by}).query) for by in ("link", "plan")}
    for by, report in reports.items():
        for columns, is_noted in ((view_query.PLAIN, by == "plan"), (("charge",), False)):
            said = report_text.Said("n", report_text.SOME_PERIOD, "UTC", "CNY", report, columns)
            for text in (report_text.plain(said, "en"), report_text.html(said, "en")):
                assert ("net and margin here are without them" in text) is is_noted
