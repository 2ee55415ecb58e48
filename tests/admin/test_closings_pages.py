"""Billing periods and statements in the console and the API."""

import json
import uuid

import pytest
from app.background.runner import Runner
from app.users.models import User

from admin_builders import House
from closing_builders import House as Books
from closing_builders import at
from fakes.smtp_server import SmtpServer

YUAN = 10**9


@pytest.fixture(scope="module")
def post():
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory, sqlite_template, valkey_url, post):
    mail = {
        "host": "127.0.0.1",
        "port": post.port,
        "security": "none",
        "sender": "billing@shareauth.example",
    }
    made = House(
        tmp_path_factory.mktemp("closings"),
        sqlite_template,
        valkey_url,
        f"h{uuid.uuid4().hex[:12]}",
        mail=mail,
        statements={"company": "Cloud & Co", "note": "Pay within ten days."},
    )
    yield made
    made.close()


def work(house):
    runner = Runner(house.runtime, clock=lambda: house.now)
    while runner.run_next():
        pass


@pytest.fixture(scope="module")
def books(house):
    """September is closed by hand; October waits to be closed."""
    books = Books(house.db, users=2, departments=("R&D", "R&D"))
    with house.db.begin() as session:
        alice = session.get(User, books.users[0])
        alice.name, alice.locale = "Alice <b>", "en"
        alice.attributes = {"department": "R&D", "email": "alice@x.example"}
    books.top_up(0, at("2026-09-02"), 50 * YUAN)
    books.answer(0, at("2026-09-03"), [("GPT-5", 2 * YUAN)])
    books.top_up(1, at("2026-09-05"), YUAN)
    books.close(202609)
    books.answer(0, at("2026-09-04"), [("Qwen", YUAN)])
    books.answer(1, at("2026-10-04"), [("GPT-5", 3 * YUAN)], link=1)
    books.follow()
    return books


def test_a_month_is_previewed_closed_and_looked_at(house, books):
    finance = house.browser("finance")
    finance.get("/admin/closings/")
    assert "2026-09" in finance.text()
    finance.get("/admin/closings/next")
    text = finance.text()
    assert "Preview of 2026-10" in text
    assert "49.00" in text
    assert "45.00" in text
    form = {"month": "2026-10", "reason": "month end"}
    finance.post("/admin/closings/next", status=422, typed="2026-01", **form)
    assert "Type the month exactly" in finance.text()
    finance.post("/admin/closings/next", typed="2026-10", **form)
    assert "Close a month" in finance.text()
    finance.post("/admin/closings/next", status=409, typed="2026-10", **form)
    work(house)
    finance.get("/admin/closings/2026-10")
    text = finance.text()
    assert "late" in text
    assert "45.00" in text
    finance.post("/admin/closings/2026-10/verify")
    assert "the month and its 3 statements are what they were" in finance.text()
    assert finance.client.get("/admin/closings/2026-10/content.json").get_json()["v"] == 1
    finance.get("/admin/closings/2026-01", status=404)


def test_a_viewer_sees_and_does_not_close(house, books):
    viewer = house.browser("viewer", locale="zh")
    viewer.get("/admin/closings/next")
    assert "data-typed" not in viewer.get("/admin/closings/next")
    viewer.post("/admin/closings/next", status=403, month="2026-11", typed="2026-11", reason="x")
    viewer.get("/admin/statements/")
    assert "对账单" in viewer.text()


def test_statements_are_found_shown_and_taken_away(house, books):
    finance = house.browser("finance")
    finance.get("/admin/statements/?search=Alice&month=2026-09")
    assert "2026-000001" in finance.text()
    assert "2026-000002" not in finance.text()
    finance.get(f"/admin/users/{books.users[0]}")
    assert "Closed months" in finance.text()
    finance.get("/admin/statements/2026-000001")
    text = finance.text()
    assert "Alice <b> (person-0)" in text
    assert "-2.00" in text
    page = finance.client.get("/admin/statements/2026-000001/file?form=html")
    policy = page.headers["Content-Security-Policy"]
    assert "style-src 'self' 'sha256-" in policy
    assert "Cloud &amp; Co" in page.text
    assert "Alice &lt;b&gt;" in page.text
    pdf = finance.client.get("/admin/statements/2026-000001/file?form=pdf")
    assert pdf.data.startswith(b"%PDF-")
    assert "attachment" in pdf.headers["Content-Disposition"]
    finance.get("/admin/statements/2026-000099", status=404)
    finance.get("/admin/statements/2026-000003")
    assert "Members" in finance.text()


def test_the_api_does_the_same(house, books):
    program = house.program("ledger:read", "ledger:verify", "wallets:read")
    months = program.get("/closings")["items"]
    assert months[-1]["closing"] == "49"
    assert program.get("/closings/2026-09")["statements"] == 3
    assert program.post("/closings/2026-09/verify", status=200)["ok"] is True
    assert program.get("/closings/preview")["currency"] == "CNY"
    (mine,) = program.get(f"/statements?user_id={books.users[0]}&month=2026-09")["items"]
    assert (mine["number"], mine["charged"], mine["department"]) == ("2026-000001", "2", "R&D")
    shown = program.get("/statements/2026-000001")
    assert shown["content"]["closing"] == "48"
    program.call("GET", "/statements/2026-000001/file?form=json")
    assert json.loads(program.last.data) == shown["content"]
    program.post("/closings", {"month": "2026-11", "reason": "x"}, status=403)
    writer = house.program("wallets:write", "jobs:write", "ledger:read")
    told = writer.post("/closings", {"month": "2026-09", "reason": "x"}, status=409)
    assert told["code"] == "month_closed"
    told = writer.post("/closings", {"month": "2031-01", "reason": "x"}, status=409)
    assert told["code"] == "month_out_of_order"


def mails_to_alice(post):
    return [mail for mail in post.got if mail.recipients == ["alice@x.example"]]


def test_statements_are_mailed_once_and_again_when_asked(house, books, post):
    finance = house.browser("finance")
    finance.get("/admin/closings/2026-09")
    for _ in range(2):
        finance.post("/admin/statements/mail", month="2026-09")
        work(house)
    (mail,) = mails_to_alice(post)
    assert mail.message["subject"] == "Cloud & Co: Your statement for 2026-09 (2026-000001)"
    (part,) = mail.message.iter_attachments()
    assert part.get_filename() == "statement-2026-000001.pdf"
    assert part.get_content().startswith(b"%PDF-")
    finance.get("/admin/statements/2026-000001")
    finance.post("/admin/statements/mail", number="2026-000001", again="1")
    work(house)
    assert len(mails_to_alice(post)) == 2
    finance.get("/admin/statements/2026-000001")
    assert finance.text().count("sent ·") == 2


def test_a_letter_that_failed_is_sent_later_and_names_no_address(house, books, post):
    with house.db.begin() as session:
        bob = session.get(User, books.users[1])
        bob.attributes = {"department": "R&D", "email": "bob@x.example"}
    post.refused.add("bob@x.example")
    number = "2026-000002"
    program = house.program("wallets:read", "wallets:write")
    program.post("/statement-mails", {"number": number}, status=202)
    work(house)
    (letter,) = program.get(f"/statements/{number}")["mails"]
    assert letter["state"] == "failed"
    assert "bob@" not in letter["error"]
    post.refused.clear()
    program.post("/statement-mails", {"number": number}, status=202)
    work(house)
    (letter,) = program.get(f"/statements/{number}")["mails"]
    assert letter["state"] == "sent"
