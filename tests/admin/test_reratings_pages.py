"""Many answers are priced again by a worker: previewed and booked as jobs that can be left."""

import re
from datetime import timedelta

from app.background.runner import Runner
from app.pricing.book import PriceBook

from rerating_builders import Shop


def test_many_answers_are_priced_again_by_a_worker(house, monkeypatch):
    monkeypatch.setattr("app.admin.resources.reratings.ANSWERS_MAX", 2)
    shop = Shop(house.db, house.now - timedelta(minutes=5))
    shop.versions[1] = PriceBook()
    for user in (0, 1, 1):
        shop.answer(1, user=user, points=2)
    told = []
    monkeypatch.setattr(type(house.runtime.gate), "set_balance", lambda _, *one: told.append(one))
    worker = Runner(house.runtime, clock=lambda: house.now)
    version = shop.publish(per_point="9")
    asked = {"price": version, "since": "2020-01-01", "until": "2999-01-01"}
    viewer = house.browser("viewer")
    viewer.get("/admin/prices/again/")
    viewer.post("/admin/prices/again/", 422, **asked)
    assert "too many answers" in viewer.text()

    browser = house.browser("finance")
    browser.get("/admin/prices/again/")
    browser.post("/admin/prices/again/", **asked)
    assert "A worker does it." in browser.text()
    previewed = browser.last.request.path
    assert worker.run_next()
    page = browser.get(previewed)
    assert "Book exactly this" in page
    before = shop.balance()
    action = re.search(r'action="(/admin/prices/again/apply/\d+)"', page)[1]
    browser.post(action, reason="wrong price", allow_negative="on")
    assert browser.last.request.path != previewed
    assert shop.balance() == before
    assert worker.run_next()
    assert "adjustments" in browser.get(browser.last.request.path).lower()
    assert shop.balance() < before
    assert told

    program = house.program("prices:read", "prices:write", "jobs:read")
    body = {"price": version, "since": "2020-01-01T00:00:00Z"}
    assert program.post("/reratings/preview", body, status=422)["code"] == "too_many_answers"
    job = program.post("/reratings/previews", body, status=202)
    assert worker.run_next()
    assert program.get(f"/jobs/{job['id']}")["result"]["to_book"] == "0"
    browser.post(f"/admin/prices/again/apply/{job['id'] - 1}", 409, reason="no preview")
