"""Statements as files: the numbers are there, nothing of other people's text does harm."""

import csv
import io
import json
import shutil

import pytest
from app.closings import store
from app.closings.papers import html, pdf, rendering
from app.closings.papers.paper import Issuer, amount
from app.db import Database
from app.users.models import User

from closing_builders import House, at

YUAN = 10**9
ISSUER = Issuer("云 <Ltd>", "1 & 2 Street\nShanghai", "91-310", "Pay by transfer.")


@pytest.fixture
def db(tmp_path, sqlite_template):
    path = tmp_path / "papers.sqlite3"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@pytest.fixture
def statement(db):
    house = House(db, users=1, departments=("=R&D",), links=("=cmd|' /C calc'!A0", "客服 <b>"))
    house.top_up(0, at("2026-11-02"), 1_234_567 * YUAN)
    house.answer(0, at("2026-11-03"), [("模型 <i>&", YUAN), ("😀" * 40, 1)])
    house.answer(0, at("2026-11-03"), [("", 2 * YUAN)], link=1, extra=5)
    with db.begin() as session:
        session.get(User, house.users[0]).name = "张三 <script>"
    house.close(202611)
    with db.read() as session:
        found = store.get_statement(session, 2026, 1)
        return found, rendering.people_of(session, found), house


def rendered(statement, form, locale="zh"):
    found, people, _ = statement
    return rendering.render(found, form, people=people, issuer=ISSUER, locale=locale).body


def test_json_is_what_was_hashed_and_names_nobody(statement):
    body = rendered(statement, "json")
    assert rendering.content.hash_of(body) == statement[0].hash
    assert "person-0" not in body.decode()
    assert json.loads(body)["closing"] == "1234563.999999994"


def test_csv_has_every_figure_and_no_formula(statement):
    text = rendered(statement, "csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["item"], row["amount"]) for row in rows if row["section"] == "sum"] == [
        ("charge", "-3.000000006"),
        ("top_up", "1234567"),
    ]
    assert next(row["item"] for row in rows if row["section"] == "link").startswith("'=")
    assert rows[-1]["amount"] == "1234563.999999994"


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_html_is_escaped_and_complete(statement, locale):
    text = rendered(statement, "html", locale).decode()
    assert "1,234,563.999999994" in text
    assert "张三 &lt;script&gt; (person-0)" in text
    assert "<script" not in text
    assert "模型 &lt;i&gt;&amp;" in text
    assert "云 &lt;Ltd&gt;" in text
    assert html.STYLE_SOURCE.startswith("'sha256-")


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_pdf_has_the_numbers_and_takes_any_letter(statement, locale):
    found, people, _ = statement
    paper = rendering.paper_of(found, people, ISSUER, locale)
    body = pdf.draw(paper, is_compressed=False)
    assert body.startswith(b"%PDF-")
    for number in (b"1,234,563.999999994", b"1,234,567.00", b"-3.000000006", b"2026-000001"):
        assert number in body
    assert b"STSong-Light" in body
    assert pdf.draw(paper) == pdf.draw(paper)


def test_departments_list_their_members(statement):
    *_, house = statement
    with house.db.read() as session:
        found = store.get_statement(session, 2026, 2)
        people = rendering.people_of(session, found)
    for form in rendering.FORMS:
        assert rendering.render(found, form, people=people, issuer=ISSUER, locale="en").body
    paper = rendering.paper_of(found, people, ISSUER, "en")
    assert paper.tables[-1].rows[0][:2] == ("2026-000001", "张三 <script> (person-0)")


def test_an_erased_person_is_a_pseudonym_and_the_hash_stays(statement):
    found, _, house = statement
    with house.db.begin() as session:
        user = session.get(User, house.users[0])
        user.name, user.subject, user.erased_at = None, "erased-1", at("2026-12-24")
    with house.db.read() as session:
        people = rendering.people_of(session, found)
    file = rendering.render(found, "html", people=people, issuer=ISSUER, locale="en")
    assert "erased-1 (erased)" in file.body.decode()
    assert "张三" not in file.body.decode()
    assert house.findings() == []


@pytest.mark.parametrize(
    ("exact", "shown"),
    [("0", "0.00"), ("-12.5", "-12.50"), ("1234567.000000001", "1,234,567.000000001")],
)
def test_amounts_are_exact_and_have_two_places(exact, shown):
    assert amount(exact) == shown


GIFT = "for 张三 <b>, who was so kind"


@pytest.fixture
def granted(db):
    """A grant that was spent from and revoked, and one that goes on; on the second of two pages."""
    house = House(db, users=1, departments=("R&D",))
    kind = house.grant(0, at("2026-11-02"), 5 * YUAN, at("2027-01-01"), priority=1, reason=GIFT)
    house.give_monthly(0, at("2026-11-02"), 7 * YUAN, 202612)
    house.answer(0, at("2026-11-03"), [("GPT-5", 2 * YUAN)])
    house.close(202611)
    house.answer(0, at("2026-12-03"), [("GPT-5", YUAN)])
    house.revoke(at("2026-12-05"), kind)
    house.expire(at("2027-01-01", "00:00"))
    house.close(202612)
    with db.read() as session:
        found = store.get_statement(session, 2026, 3)
        return found, rendering.people_of(session, found), house


def test_grants_are_called_by_their_reasons_which_are_not_in_what_is_hashed(granted):
    for locale, word in (("en", "revoked"), ("zh", "已收回")):
        text = rendered(granted, "html", locale).decode()
        assert "for 张三 &lt;b&gt;" in text
        assert word in text
    assert "until and including 2026-12-31)" in rendered(granted, "html", "en").decode()
    for form in ("json", "csv"):
        assert "kind" not in rendered(granted, form).decode().replace('"kind"', "")
    first, second = json.loads(rendered(granted, "json"))["grants"]
    said = {name: first[name] for name in ("amount", "opening", "spent", "revoked", "closing")}
    assert said == {"amount": "5", "opening": "3", "spent": "1", "revoked": "2", "closing": "0"}
    assert (second["source"], second["month"], second["expired"]) == ("plan", "2026-12", "7")
    rows = csv.DictReader(io.StringIO(rendered(granted, "csv").decode("utf-8-sig")))
    amounts = {row["item"]: row["amount"] for row in rows if row["section"] == "credit"}
    assert (amounts["charged"], amounts["paid_charged"]) == ("1", "0")
    assert (amounts["expired"], amounts["revoked"]) == ("7", "2")
    paper = rendering.paper_of(granted[0], granted[1], ISSUER, "en")
    assert b"Charges met by granted credit" in pdf.draw(paper, is_compressed=False)


def test_what_grants_were_called_is_gone_with_the_person(granted, db):
    found, _, house = granted
    with db.begin() as session:
        session.get(User, house.users[0]).erased_at = at("2027-01-02")
    with db.read() as session:
        people = rendering.people_of(session, found)
    text = rendering.render(found, "html", people=people, issuer=ISSUER, locale="en").body.decode()
    assert "so kind" not in text
    assert "Granted credit (revoked)" in text
    assert house.findings() == []
