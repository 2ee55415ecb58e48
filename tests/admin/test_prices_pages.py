"""Prices in the console: a change with its preview, the calculator, and pricing again."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from app.metering import rows
from app.metering.body import parse_finish
from app.metering.counting import count
from app.pricing.book import ModelPrice, PriceBook
from app.pricing.rating import rate

from rerating_builders import Shop
from turn_builders import RULES

PAYLOADS = sorted(
    path
    for path in (Path(__file__).parents[1] / "data/response_data").glob("*.json")
    if not path.name.endswith(".expected.json")
)
PRICED = PriceBook(
    per_point=Decimal("1.5"),
    per_question=Decimal("0.01"),
    minimum=Decimal("0.02"),
    models=(ModelPrice(pattern="*", applies="zero_points", input_per_1k=Decimal("0.2")),),
)
DEARER = 'per_point = "1.5"\nmonthly_allowance = "3"\n'


@pytest.fixture(scope="module")
def shop(house):
    shop = Shop(house.db, house.now - timedelta(minutes=5))
    shop.versions[1] = PriceBook()
    for user in (0, 1, 1):
        shop.answer(1, user=user, points=2)
    return shop


def today(house):
    local = house.now.astimezone(house.settings.zone).date()
    return {"since": (local - timedelta(days=1)).isoformat(), "until": local.isoformat()}


def hidden(body, form):
    """The hidden fields of the form that goes to that address."""
    found = re.search(rf'<form[^>]*action="{form}".*?</form>', body, re.DOTALL)[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', found)) | {"book": DEARER}


def test_prices_change_after_a_preview_of_what_they_would_do(house, shop):
    browser = house.browser("finance")
    assert "per_point = &#34;1&#34;" in browser.get("/admin/prices/new")
    body = browser.post("/admin/prices/preview", book=DEARER, note="dearer", **today(house))
    read = browser.text()
    assert "By the present prices 6.00 CNY" in read
    assert "By the new prices 9.00 CNY Difference 3.00 +50%" in read
    assert "Answers counted 3 of 2 users" in read
    assert "chatNode 6.00 9.00 3.00" in read
    fields = hidden(body, "/admin/prices/publish")
    other = fields | {"book": 'per_point = "15"'}
    browser.post("/admin/prices/publish", status=409, **other)
    assert "no longer what the preview showed" in browser.text()
    browser.post("/admin/prices/publish", **fields)
    read = browser.text()
    version = int(re.search(r"Version (\d+) is published\.", read)[1])
    assert "Per FastGPT point 1 1.5" in read
    assert house.program("prices:read").get("/prices/current")["version"] == version
    audit = house.program("audit:read").get("/audit?action=prices.publish&limit=1")["items"][0]
    assert (audit["source"], audit["reason"]) == ("admin", "dearer")
    browser.post("/admin/prices/preview", status=409, book=DEARER)
    assert "The same prices are in force then anyway." in browser.text()


def test_text_that_is_wrong_comes_back_with_its_lines(house):
    browser = house.browser("operator")
    browser.get("/admin/prices/new")
    body = browser.post("/admin/prices/preview", status=422, book='per_point = "1"\nwrong = "x"')
    assert "Line 2 wrong not known here" in browser.text()
    chinese = house.browser("operator", locale="zh")
    chinese.get("/admin/prices/new")
    chinese.post("/admin/prices/preview", status=422, book='per_point = "-1"\nwrong = "x"')
    assert "不得小于 0" in chinese.text()
    assert "此处没有这个名称" in chinese.text()
    assert "wrong = &#34;x&#34;" in body
    browser.post("/admin/prices/preview", status=422, book="", effective_at="soon")
    assert "This is no date" in browser.text()
    browser.post("/admin/prices/preview", status=422, book="", effective_at="2020-01-01T00:00")
    assert "Prices cannot change in the past" in browser.text()


def test_calculator_meters_and_prices_every_payload_as_a_finish_would_be(house):
    program = house.program("prices:read")
    for path in PAYLOADS:
        nodes = json.loads(path.read_text("utf-8")).get("responseData")
        if not isinstance(nodes, list) or not nodes:
            continue
        cost = program.post(
            "/prices/meter",
            {"response_data": nodes, "book": PRICED.document(), "link_multiplier": "0.5"},
            status=200,
        )
        finish = parse_finish(path.read_bytes())
        usage = count(finish.nodes, regime="auto", points_per_node_max=RULES.points_per_node_max)
        charge = rate(
            rows.in_points(usage, points_per_price_unit=RULES.points_per_price_unit),
            book=PRICED,
            link_multiplier=Decimal("0.5"),
            plan_multiplier=Decimal(1),
            allowance_used=0,
        )
        assert cost["arithmetic"] == charge.arithmetic, path.name
        assert sum(Decimal(line["charge"]) for line in cost["lines"]) == (
            Decimal(cost["charge"]) if cost["lines"] else 0
        )


def test_calculator_shows_the_steps(house):
    browser = house.browser("viewer")
    browser.get("/admin/prices/calculator")
    row = {"model.0": "gpt-4o", "node_kind.0": "chatNode", "points.0": "2", "input_tokens.0": "9"}
    browser.post("/admin/prices/calculator", plan="guest", version="1", **row)
    assert "It would cost 0.00 CNY" in browser.text()
    body = browser.post("/admin/prices/calculator", version="1", link_multiplier="1.5", **row)
    read = browser.text()
    assert "It would cost 3.00 CNY" in read
    assert "2 × 1.5 × 1 3" in read
    assert 'name="points.0" value="2"' in body
    pasted = PAYLOADS[0].read_text("utf-8")
    browser.post("/admin/prices/calculator", paste="1", response_data=pasted, version="1")
    assert "Model calls" in browser.text()
    browser.post("/admin/prices/calculator", 422, paste="1", response_data="no")
    assert "This is not JSON that can be read." in browser.text()


def test_answers_are_priced_again_as_previewed(house, shop):
    version = shop.publish(per_point="5", effective_at=house.now - timedelta(days=1))
    browser = house.browser("operator")
    browser.get("/admin/prices/again/")
    asked = {"price": str(version), **today(house)}
    body = browser.post("/admin/prices/again/", **asked)
    assert "Would be 30.00 CNY Difference 24.00" in browser.text()
    fields = hidden(body, "/admin/prices/again/apply")
    fields |= {"reason": "wrong price", "allow_negative": "on"}
    browser.post("/admin/prices/again/apply", 409, **fields | {"digest": "0" * 16})
    assert shop.balance() == -2
    browser.post("/admin/prices/again/apply", **fields)
    assert "3 adjustments are booked in 2 wallets." in browser.text()
    assert shop.balance() == -10
    browser.post("/admin/prices/again/", **asked)
    assert "Nothing would change" in browser.text()


def test_api_lists_versions_and_refuses_what_was_not_previewed(house, shop):
    program = house.program("prices:read", "prices:write")
    body = {"book": {"per_point": "7"}, "effective_at": "2999-01-01T00:00:00+08:00"}
    previewed = program.post("/prices/preview", body, status=200)
    program.post("/prices", body | {"expect": "other"}, status=409)
    made = program.post("/prices", body | {"expect": previewed["digest"]})
    assert (made["status"], made["book"]["per_point"]) == ("planned", "7")
    first = program.get("/prices?limit=1")
    second = program.get(f"/prices?limit=1&cursor={first['next']}")
    assert first["items"][0]["version"] != second["items"][0]["version"]
    for odd in ({"per_point": 0.5}, {"per_point": "1e99"}, {"models": [{"pattern": "\0"}]}):
        program.post("/prices/preview", {"book": odd}, status=422)
    early = {"effective_at": "0001-01-01T00:00:00+14:00"}
    program.post("/prices/preview", body | early, status=422)
    program.get(f"/prices/{2**70}", status=404)
    program.get("/prices?cursor=WyJ4IiwxXQ", status=422)
