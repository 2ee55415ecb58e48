"""Usage in the console and the API: sums equal what they are of; nobody sees more than they may."""

import csv
import html
import io
import json
import re
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from app.admin.resources import overview
from app.closings import closing
from app.closings.closing import Order
from app.closings.months import month_at, month_text, window
from app.funding import changes
from app.funding.changes import Change
from app.metering.models import UsageEvent
from app.money import NANO
from app.pagekit.tables import cell
from app.reports.query import GROUPS
from app.sightings.models import RefusalCount
from app.unfinished.models import UnfinishedTurn

from admin_builders import ACTOR
from books import make_link, make_users
from reports_builders import Answer, Line, count, write

GPT, QWEN = Line("GPT-5", "chatNode", 5 * NANO, 2 * NANO), Line("Qwen", "tools", NANO, NANO // 4)


@pytest.fixture(scope="module")
def used(house):
    """Two links, two users, four answers: three on the first link."""
    now = house.now
    with house.db.begin() as session:
        first, second = make_link(session, now, "first"), make_link(session, now, "omega")
        users = make_users(session, now, 2)
    at = [now - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20)]
    answers = [
        Answer(at[0], users[0], first, lines=[GPT, QWEN]),
        Answer(at[1], users[0], first, lines=[QWEN], warnings={"inclusion_guessed:tools": 1}),
        Answer(at[2], users[1], first, app="=HYPERLINK(1)", lines=[GPT]),
        Answer(at[3], users[1], second, app="hidden bot", lines=[GPT, GPT]),
    ]
    write(house.db, answers)
    count(house.db, now, zone=house.settings.zone)
    overview.forget()
    return SimpleNamespace(first=first, second=second, users=users, answers=answers)


def charge(rows):
    return sum(Decimal(row["charge"]) for row in rows)


def table(browser, path):
    return list(csv.DictReader(io.StringIO(browser.get(path))))


def test_the_report_equals_the_answers(house, used):
    program = house.program("usage:read")
    for by in (*GROUPS, "attribute:department"):
        report = program.get(f"/usage/report?period=7d&per=day&by={by}")
        assert charge(report["rows"]) == Decimal("8.5"), by
        assert Decimal(report["total"]["charge"]) == Decimal("8.5")
        assert report["total"]["questions"] == 4
    by_user = program.get("/usage/report?period=7d&by=user&by=model")["rows"]
    charges = {tuple(key["value"] for key in row["keys"]): charge([row]) for row in by_user}
    assert charges == {
        ("u_0", "GPT-5"): Decimal(2),
        ("u_0", "Qwen"): Decimal("0.5"),
        ("u_1", "GPT-5"): Decimal(6),
    }
    cut = program.get("/usage/report?period=7d&by=user&limit=1")["rows"]
    assert [row["is_others"] for row in cut] == [False, True]
    assert charge(cut) == Decimal("8.5")


def test_the_page_shows_what_the_files_have(house, used):
    browser = house.browser("viewer")
    browser.get("/admin/usage/?period=7d&by=link&measure=questions&limit=&model=")
    text = browser.text()
    assert "first 3 12.00 4.50 0.00 4.50" in text.replace(",", "")
    assert "Counted up to answer 4" in text
    rows = table(browser, "/admin/usage/report.csv?period=7d&by=link")
    assert {row["link"]: row["charge"] for row in rows} == {"first": "4.5", "omega": "4"}
    lines = browser.get("/admin/usage/report.jsonl?period=7d&by=user").splitlines()
    assert {json.loads(line)["user"] for line in lines} == {"u_0", "u_1"}
    events = table(browser, "/admin/usage/events.csv?user=u_1")
    assert [row["reference"] for row in events] == ["r4", "r3"]
    assert events[1]["app"] == "'=HYPERLINK(1)"
    assert browser.get("/admin/usage/events.csv?bom=1").startswith("\ufeff")


def test_chosen_columns_are_on_the_page_and_in_the_files(house, used):
    browser = house.browser("viewer")
    chosen = "period=7d&by=attribute:department&by=plan&column=cost&column=margin&column=p95_ms"
    browser.get(f"/admin/usage/?{chosen}&column=nonsense&attribute=department=Sales")
    assert "Nothing was used" in browser.text()
    browser.get(f"/admin/usage/?{chosen}")
    assert "department Plan Cost Margin 95 % within, ms" in browser.text()
    assert "(no name)" in browser.text()
    (row,) = table(browser, f"/admin/usage/report.csv?{chosen}")
    assert list(row) == ["attribute:department", "plan", "is_others", "cost", "margin", "p95_ms"]
    program = house.program("usage:read")
    total = program.get("/usage/report?period=7d&by=issuer&times=true")["total"]
    assert (total["untimed"], total["cost"], total["refusals"]) == (4, None, None)
    program.get("/usage/report?by=attribute:", status=422)
    program.get("/usage/report?attribute=department", status=422)
    program.get("/usage/report?plan=nothing", status=404)


def test_a_report_without_corrections_says_what_its_margin_leaves_out(house, used):
    browser = house.browser("viewer")
    for narrowed, leaves_out in (("by=user&by=link", False), ("by=plan", True), ("app=x", True)):
        browser.get(f"/admin/usage/?period=7d&{narrowed}&column=margin&column=charge")
        assert ("net and margin of this report are of the charge alone" in browser.text()) is (
            leaves_out
        )
        assert ("not told for such a report" in browser.text()) is leaves_out


def test_a_report_of_closed_time_says_that_it_counts_the_books_as_they_stand(house, used):
    program, browser = house.program("usage:read"), house.browser("viewer")
    month = month_at(house.now - timedelta(days=31), house.settings.zone)
    over = window(month, house.settings.zone)
    closed, after = (
        "/usage/report?" + urlencode({"since": since.isoformat(), "until": house.now.isoformat()})
        for since in (over.starts_at, over.ends_at)
    )
    assert program.get(closed)["closed_to"] is None
    order = Order(month, house.settings.zone, "CNY", None, timedelta(0), ACTOR, house.now)
    list(closing.close(house.db, order))
    assert program.get(closed)["closed_to"] == month_text(month)
    assert program.get(after)["closed_to"] is None
    browser.get("/admin" + closed.replace("report", ""))
    assert f"Closed up to {month_text(month)}. This report counts" in browser.text()


def test_refusals_and_unfinished_questions_are_reported(house, used):
    now = house.now
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    refused = [(used.first, "no_money", 3), (used.second, "too_fast", 4), (0, "link_unknown", 5)]
    with house.db.begin() as session:
        session.add_all(
            RefusalCount(quarter=quarter, link_id=link, hook="start", code=code, count=count)
            for link, code, count in refused
        )
        turn = UnfinishedTurn(ticket="t", user_id=used.users[0], link_id=used.second)
        turn.is_guest, turn.hold, turn.points_hold = False, NANO, 2 * NANO
        turn.asked_at = turn.expired_at = turn.recorded_at = now
        session.add(turn)
    program = house.program("usage:read", "refusals:read")
    found = program.get("/usage/refusals?per=week&by=rule&by=link&limit=2&zone=Asia/Kathmandu")
    rows = [(row["rule"], row["link"], row["refusals"]) for row in found["rows"]]
    assert rows == [("link_unknown", "", 5), ("too_fast", "omega", 4), (None, None, 3)]
    assert found["total"] == 12
    (row,) = program.get("/usage/unfinished?by=link&per=month")["rows"]
    assert (row["link"], row["unfinished"], row["expected_charge"]) == ("omega", 1, "1")
    total = program.get("/usage/report?period=7d&by=link&seen=true")["total"]
    assert (total["refusals"], total["unfinished"]) == (12, 1)
    browser = house.browser("support", link_ids=[used.first])
    browser.get("/admin/usage/refused?period=7d&per=day&by=rule&by=link")
    assert "no_money first 3 Total 3" in browser.text()
    assert "omega" not in browser.text()
    (row,) = table(browser, "/admin/usage/refused.csv?period=7d&by=hook")
    assert (row["hook"], row["refusals"]) == ("start", "3")
    assert browser.get("/admin/usage/unfinished.jsonl?by=link") == ""
    browser.get("/admin/usage/refused?rule=ROBERT'", status=422)


def test_a_row_leads_to_its_answers(house, used):
    def shown(query):
        body = browser.get(f"/admin/usage/events?{query}")
        return [name for name in ("r1", "r2", "r3", "r4") if f"/events/{name}" in body]

    browser = house.browser("viewer")
    assert "app=bot" in browser.get("/admin/usage/?period=7d&per=day&by=user&by=app")
    assert shown("user=u_0&app=bot") == ["r1", "r2"]
    assert shown("user=u_0&app=bot&limit=1") == ["r2"]
    assert 'rel="next"' in browser.last.get_data(as_text=True)
    assert shown("warnings=1") == ["r2"]
    assert shown("model=GPT-5&period=7d") == ["r1", "r3", "r4"]


def test_a_row_of_plan_issuer_and_attribute_leads_to_what_it_is_made_of(house, used):
    browser, program = house.browser("viewer"), house.program("usage:read")
    asked = "period=7d&per=day&by=attribute:department&by=issuer&issuer=portal&column=questions"
    links = re.findall(
        r'href="(/admin/usage/events[?][^"]+)"', browser.get(f"/admin/usage/?{asked}")
    )
    rows = program.get(f"/usage/report?{asked.removesuffix('&column=questions')}")["rows"]
    assert len(links) == len(rows) > 0
    for link, row in zip(links, rows, strict=True):
        address = html.unescape(link)
        said = parse_qs(urlsplit(address).query, keep_blank_values=True)
        assert (said["issuer"], said["attribute"]) == (["portal"], ["department="])
        found = program.get(address.replace("/admin/usage/events", "/usage/events"))["items"]
        assert len(found) == row["questions"]
        assert charge(found) == Decimal(row["charge"])
    assert table(browser, "/admin/usage/events.csv?attribute=department=Sales") == []
    assert program.get("/usage/events?issuer=nobody", status=404)["code"] == "issuer_not_found"
    assert program.get("/usage/events?attribute=x", status=422)["code"] == "query_invalid"


@pytest.mark.parametrize(
    ("query", "opened"),
    [
        ("per=hour&by=link", {"by=user&link=first", "by=user&link=omega"}),
        ("per=day&by=user&by=app&link=first", {"link=first&user=u_0&app=bot"}),
        ("by=node_kind", None),
        ("per=hour", set()),
    ],
)
def test_rows_lead_to_what_they_are_made_of(house, used, query, opened):
    browser = house.browser("viewer")
    body = html.unescape(browser.get(f"/admin/usage/?period=7d&{query}"))
    table = body[body.index("<tbody>") :] if "<tbody>" in body else ""
    lists = re.findall(r'href="(/admin/usage/events\?[^"]*)"', table)
    found = [name for path in lists for name in re.findall(r"/events/(r\d)", browser.get(path))]
    if opened is None:
        assert lists == []  # the list cannot be cut like that
        return
    expected = ["r1", "r2", "r3"] if "link=first" in query else ["r1", "r2", "r3", "r4"]
    assert sorted(set(found)) == expected
    drilled = re.findall(r'href="/admin/usage/\?([^"]*)"', table)
    told = {frozenset(one.split("&")) - {"period=7d", "per=hour", "per=day"} for one in drilled}
    assert {frozenset(one.split("&")) for one in opened} <= told
    assert bool(opened) == bool(told)


@pytest.mark.parametrize(
    "asked",
    [
        "period=custom&since=2026-02-01&until=2026-01-01",
        "user=nobody",
        "link=none",
        "zone=Nowhere",
        "by=user&by=link&by=app",
        "since=9999-12-31T23:59:59-12:00",
        "per=hour&since=2000-01-01&until=2199-01-01",
        "per=hour&period=90d&by=user&limit=1000",
        "limit=99999999999999999999",
    ],
)
def test_what_cannot_be_asked_is_said(house, used, asked):
    browser = house.browser("viewer")
    response = browser.client.get(f"/admin/usage/?{asked}")
    assert response.status_code in {404, 422}
    assert 'role="alert"' in response.get_data(as_text=True)
    refused = browser.client.get(f"/admin/api/v1/usage/report?{asked}")
    assert refused.status_code == response.status_code
    assert refused.get_json()["code"]


def test_link_operators_see_their_links_only(house, used):
    browser = house.browser("viewer", link_ids=[used.first])
    for path in ("/admin/", "/admin/usage/?by=app&by=link&period=7d", "/admin/usage/events"):
        body = browser.get(path)
        assert "hidden bot" not in body, path
        assert "omega" not in browser.text(), path
    assert charge(table(browser, "/admin/usage/report.csv?period=7d&by=user")) == Decimal("4.5")
    month = f"{house.now.astimezone(house.settings.zone):%Y-%m}"
    for kind in ("events", "lines"):
        body = browser.get(f"/admin/exports/{kind}.csv?month={month}")
        assert "r3" in body
        assert "r4" not in body
    browser.get("/admin/usage/events/r4", status=404)
    browser.get("/admin/usage/?link=omega", status=404)
    browser.get(f"/admin/exports/postings.csv?month={month}", status=403)


def test_an_answer_tells_its_arithmetic_and_warnings(house, used):
    said = {
        "points": "6",
        "per_point": "0.5",
        "points_amount": "3",
        "per_question": "0",
        "subtotal": "3",
        "link_multiplier": "1",
        "plan_multiplier": "0.75",
        "multiplied": "2.25",
        "minimum": "0",
        "rounded": "2.25",
        "allowance_taken": "0",
        "charge": "2.25",
    }
    with house.db.begin() as session:
        shown = session.get(UsageEvent, 1)
        columns = [column.name for column in UsageEvent.__table__.columns]
        values = {name: getattr(shown, name) for name in columns}
        values |= {"id": 900, "reference": "told", "idempotency_key": "told", "arithmetic": said}
        values |= {"received_at": house.now - timedelta(days=400)}
        session.add(UsageEvent(**values))
    browser = house.browser("viewer")
    browser.get("/admin/usage/events/told")
    assert "6 × 0.5 3" in browser.text()
    assert "3 × 1 × 0.75 2.25" in browser.text()
    browser.get("/admin/usage/events/r1")
    assert "GPT-5 chatNode 7 3" in browser.text()
    assert "Qwen tools" in browser.text()
    browser.get("/admin/usage/events/r2")
    assert "It was guessed" in browser.text()
    detail = house.program("usage:read").get("/usage/events/r1")
    assert charge(detail["lines"]) == Decimal(detail["charge"]) == Decimal("2.25")
    house.program("usage:read").get("/usage/events/none", status=404)


def test_views_are_kept_by_their_owner(house, used):
    mine, other = house.browser("viewer"), house.browser("viewer")
    mine.get("/admin/usage/?period=7d&by=model")
    mine.post("/admin/views/", page="usage", name="Models", query="period=7d&by=model")
    assert "GPT-5" in mine.text()
    assert "View Models is kept." in mine.text()
    views = house.program("usage:read").get("/saved-views?page=usage")["items"]
    assert views == []
    view = 1
    other.get(f"/admin/views/{view}", status=404)
    other.get("/admin/account")
    other.post(f"/admin/views/{view}/delete", status=404)
    mine.post(f"/admin/views/{view}", name="All models", is_shared="on")
    other.get("/admin/usage/")
    assert "All models" in other.text()
    other.post(f"/admin/views/{view}", name="Stolen", status=409)
    mine.post(f"/admin/views/{view}/delete")
    assert "View All models is gone." in mine.text()
    program = house.program("usage:read")
    made = program.post("/saved-views", {"page": "usage", "name": "P", "query": "by=app"})
    program.post("/saved-views", {"page": "usage", "name": "P", "query": ""}, status=409)
    assert program.patch(f"/saved-views/{made['id']}", {"query": "by=link"})["query"] == "by=link"
    program.call("DELETE", f"/saved-views/{made['id']}", 204)
    program.get(f"/saved-views/{2**63}", status=404)


def test_a_month_is_taken_away_as_files(house, used):
    change = Change(used.users[0], 7 * NANO, house.settings.billing.currency, "=cmd()", "k")
    changes.top_up(house.db, change, actor=ACTOR, now=house.now)
    month = f"{house.now.astimezone(house.settings.zone):%Y-%m}"
    browser = house.browser("owner")
    browser.get(f"/admin/exports/?month={month}")
    assert f"statements-{month}.csv" in browser.text()
    postings = table(browser, f"/admin/exports/postings.csv?month={month}")
    assert sum(Decimal(row["amount"]) for row in postings) == 0
    assert {row["reason"] for row in postings} == {"'=cmd()"}
    (wallet,) = table(browser, f"/admin/exports/statements.csv?month={month}")
    assert (wallet["uid"], wallet["opening_balance"]) == ("u_0", "0")
    assert (wallet["top_up"], wallet["closing_balance"]) == ("7", "7")
    (before,) = table(browser, "/admin/exports/statements.csv?month=2020-02")
    assert (before["opening_balance"], before["top_up"], before["closing_balance"]) == ("0",) * 3
    lines = table(browser, f"/admin/exports/lines.csv?month={month}")
    assert charge(lines) == Decimal("8.5")
    assert table(browser, f"/admin/exports/audit.csv?month={month}")
    program = house.program("usage:read")
    program.call("GET", f"/exports/events?month={month}&bom=true")
    assert program.last.mimetype == "text/csv"
    program.get(f"/exports/audit?month={month}", status=403)
    program.get("/exports/events?month=2026-13", status=422)


def test_the_overview_says_how_things_stand(house, used):
    browser = house.browser("viewer")
    browser.get("/admin/")
    text = browser.text()
    assert "Questions today" in text
    assert "Open alerts" in text
    assert "Open questions now 0" in text
    assert "First steps" not in text
    found = house.program("usage:read").get("/usage/overview")
    assert charge(found["by_link"]["rows"]) == charge(found["by_model"]["rows"]) == Decimal("8.5")
    assert found["health"]["is_redis_there"] is True
    assert found["health"]["jobs_running"] is None


@pytest.mark.parametrize(
    ("value", "told"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1", "-1"), (Decimal("-1.50"), "-1.5"), ("+1", "'+1")],
)
def test_cells_are_no_formulas(value, told):
    assert cell(value) == told
