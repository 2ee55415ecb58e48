"""What other prices would have made of a period: exactly while it is small, a sample of much."""

from datetime import timedelta
from decimal import Decimal

import pytest
from app.errors import Invalid
from app.pricing.book import ModelPrice, PriceBook
from app.rerating import impact, store

from books import NANO
from rerating_builders import Shop

OLD = PriceBook()
NEW = PriceBook(
    per_point=Decimal(2),
    per_question=Decimal("0.5"),
    monthly_allowance=Decimal(100),
    models=(ModelPrice(pattern="gpt*", input_per_1k=Decimal(100)),),
)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(db, now):
    shop = Shop(db, now)
    for number in range(6):
        shop.answer(None, user=number % 2, points=2 + number % 2, after=number)
    shop.answer(None, points=50, after=90)
    return shop


def measure(shop, now, **period):
    asked = {"since": now, "until": now + HOUR} | period
    with shop.db.read() as session:
        return impact.measure(session, before=OLD, after=NEW, **asked)


def test_both_books_price_the_same_answers_before_any_allowance(shop, now):
    found = measure(shop, now)
    assert (found.counted, found.step, found.users_counted) == (6, 1, 2)
    assert found.before == 15 * NANO
    assert found.after == (30 + 6 * Decimal("0.5") + 6) * NANO
    assert [(one.name, one.before, one.after) for one in found.models] == [
        ("gpt-4o", found.before, found.after)
    ]
    assert [(one.name, one.difference) for one in found.node_kinds] == [
        ("chatNode", found.difference)
    ]
    assert [one.owner.user_id for one in found.users] == shop.stage.user_ids[1::-1]
    assert sum(one.difference for one in found.users) == found.difference


def test_long_period_is_sampled_evenly(shop, now, monkeypatch):
    monkeypatch.setattr(impact, "SAMPLE_MAX", 3)
    found = measure(shop, now)
    assert (found.counted, found.step) == (3, 2)


def test_period_is_kept(shop, now):
    assert measure(shop, now, since=now + HOUR, until=now + 2 * HOUR).before == 50 * NANO
    assert measure(shop, now, until=now + timedelta(minutes=2)).counted == 2
    nothing = measure(shop, now, since=now - HOUR, until=now)
    assert (nothing.counted, nothing.users, nothing.models) == (0, (), ())
    with pytest.raises(Invalid):
        measure(shop, now, until=now)


def test_first_event_is_found_by_halving(shop, now):
    with shop.db.read() as session:
        last = store.last_event(session)
        assert store.first_event_from(session, now + HOUR) == last
        assert store.first_event_from(session, now + 2 * HOUR) == last + 1
