"""Visitors see their own statements of closed months, and nobody else's."""

import pytest
from app.closings import closing
from app.closings.content import number_of
from app.closings.models import FrozenStatement
from app.closings.ordering import order_of
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post

from admin_builders import ACTOR
from closing_builders import at

YUAN = 10**9


@pytest.fixture(scope="module")
def closed(portal):
    """Two users with statements of September; their numbers by user."""
    house = portal.house
    users = [portal.add_user(name="Alice Chen"), portal.add_user(name="Bo Li")]
    when = at("2026-09-03")
    with house.db.begin() as session:
        for user_id in users:
            wallet = lock_wallet(session, user_id, currency="CNY", now=when)
            entry = Entry("top_up", 7 * YUAN, "funding", f"u{user_id}", "finance", reason="paid")
            post(session, wallet, entry, now=when)
    order = order_of(house.settings, 202609, actor=ACTOR, now=house.now)
    list(closing.close(house.db, order))
    with house.db.read() as session:
        rows = session.query(FrozenStatement).filter_by(kind="wallet").all()
        return {row.user_id: number_of(row.year, row.ordinal) for row in rows}


def test_their_own_are_listed_shown_and_taken_away(portal, closed):
    user_id, number = next(iter(closed.items()))
    browser = portal.visitor(user_id)
    browser.get("/me")
    assert "Closed months" in browser.text()
    browser.get("/me/statements")
    text = browser.text()
    assert number in text
    assert "7.00" in text
    page = browser.client.get(f"/me/statements/{number}.html")
    assert page.status_code == 200
    assert "Alice Chen" in page.text
    assert "'sha256-" in page.headers["Content-Security-Policy"]
    pdf = browser.client.get(f"/me/statements/{number}.pdf")
    assert pdf.data.startswith(b"%PDF-")
    browser.get("/me/statements?lang=zh")
    assert "已结账月份的对账单" in browser.text()


def test_somebody_elses_are_not_there(portal, closed):
    (mine, my_number), (other, other_number) = closed.items()
    browser = portal.visitor(mine)
    browser.get("/me/statements")
    assert my_number in browser.text()
    assert other_number not in browser.text()
    for form in ("html", "pdf"):
        for number in (other_number, "2026-999999", "x"):
            answer = browser.client.get(f"/me/statements/{number}.{form}")
            assert answer.status_code == 404, (number, form)
            assert "Bo Li" not in answer.text
    assert portal.visitor(other).client.get(f"/me/statements/{other_number}.pdf").status_code == 200
    stranger = portal.house.app.test_client()
    assert stranger.get(f"/me/statements/{my_number}.pdf").status_code in {401, 403}
