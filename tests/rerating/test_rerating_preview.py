"""What a preview finds: sums by user, what is left, and nothing that is not there."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.db import Database
from app.ledger.models import Transaction
from app.metering.models import UsageLine
from app.pricing.store import PriceVersionNotFound
from app.rerating import store
from app.rerating.priced import PROBLEMS

from books import NANO, make_event, make_link
from rerating_builders import YEAR, Shop
from statements.test_statements_verification import corrupt


@pytest.fixture
def shop(db: Database, now) -> Shop:
    return Shop(db, now)


def counts(found) -> tuple[int, int, int]:
    return found.total("events"), found.total("changes"), found.total("left")


def test_each_user_has_their_own_sums(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear, points=3)
    shop.answer(fair, points=5)
    shop.answer(dear, user=2, points=1)
    one, two = shop.preview(fair).users
    assert (one.events, one.changes, one.charged, one.would_be, one.difference) == (
        2,
        1,
        11 * NANO,
        8 * NANO,
        -3 * NANO,
    )
    assert (one.owner.balance, one.balance_after) == (-11 * NANO, -8 * NANO)
    assert (two.owner.user_id, two.difference) == (shop.stage.user_ids[2], -1 * NANO)


def test_a_preview_writes_nothing(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear)

    def rows() -> list[int]:
        with shop.db.read() as session:
            return list(session.scalars(sa.select(Transaction.id)))

    before = rows()
    assert shop.preview(fair).total("changes") == 1
    assert rows() == before


def test_pages_do_not_change_what_is_found(shop, monkeypatch):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1", monthly_allowance="5")
    for number in range(7):
        shop.answer(dear, user=number % 3, points=number, after=number)
    whole = shop.preview(fair)
    monkeypatch.setattr(store, "PAGE_ROWS", 2)
    paged = shop.preview(fair)
    assert (paged.digest, paged.users) == (whole.digest, whole.users)


def test_filters_take_what_they_say(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    for user, minutes in ((0, 0), (0, 10), (1, 20)):
        shop.answer(dear, user=user, after=minutes)
    assert shop.preview(fair).total("events") == 3
    ten = shop.now + timedelta(minutes=10)
    assert shop.preview(fair, replace(YEAR, since=ten)).total("events") == 2
    assert shop.preview(fair, replace(YEAR, until=ten)).total("events") == 1
    assert shop.preview(fair, replace(YEAR, user_id=shop.stage.user_ids[0])).total("events") == 2
    assert shop.preview(fair, replace(YEAR, link_id=shop.stage.link_id)).total("events") == 3
    assert shop.preview(fair, replace(YEAR, link_id=shop.stage.link_id + 1)).users == ()


def test_the_digest_is_of_what_was_found(shop):
    dear, fair, other = (shop.publish(per_point=price) for price in ("2", "1", "1.0"))
    shop.answer(dear)
    digest = shop.preview(fair).digest
    assert shop.preview(fair, replace(YEAR, until=shop.now + timedelta(1))).digest == digest
    assert shop.preview(other).digest != digest
    shop.answer(dear, after=1)
    assert shop.preview(fair).digest != digest


def test_a_run_that_goes_on_is_previewed_as_before_it(shop, monkeypatch):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    for number in range(2):
        shop.answer(dear, after=number)
    before = shop.preview(fair)
    shop.apply(fair)
    during = shop.preview(fair, run=before.digest)
    assert during.digest == before.digest
    assert during.total("difference") == before.total("difference")
    assert (before.total("to_book"), during.total("to_book")) == (4 * NANO, 0)
    after = shop.preview(fair)
    assert (after.total("difference"), after.total("changes")) == (0, 0)


def test_a_version_that_nobody_published_is_refused(shop):
    with pytest.raises(PriceVersionNotFound):
        shop.preview(99)


def test_an_event_that_was_never_charged_or_says_nothing_is_left(shop):
    fair = shop.publish(per_point="1")
    with shop.db.begin() as session:
        link_id = make_link(session, shop.now, "other")
        make_event(session, key="e", user_id=shop.stage.user_ids[0], link_id=link_id, now=shop.now)
    found = shop.preview(fair)
    assert counts(found) == (0, 0, 1)
    assert found.left_by_problem == {"not_charged": 1}


def test_an_event_whose_lines_are_gone_is_left(shop):
    fair = shop.publish(per_point="1")
    shop.answer(fair)
    corrupt(shop.db, "DELETE FROM usage_lines")
    with shop.db.read() as session:
        assert session.scalar(sa.select(UsageLine.event_id)) is None
    assert shop.preview(fair).left_by_problem == {"lines_missing": 1}


def test_an_event_of_which_some_lines_were_changed_is_left(shop):
    fair = shop.publish(per_point="1")
    shop.answer(fair)
    corrupt(shop.db, "UPDATE usage_lines SET points = points + 1")
    assert shop.preview(fair).left_by_problem == {"lines_differ": 1}


def test_an_event_without_arithmetic_is_left(shop):
    fair = shop.publish(per_point="1")
    shop.answer(fair)
    corrupt(shop.db, "UPDATE usage_events SET arithmetic = '{}'")
    assert shop.preview(fair).left_by_problem == {"arithmetic_missing": 1}


def test_a_charge_beyond_what_the_ledger_holds_is_left(shop):
    fair, absurd = shop.publish(per_point="1"), shop.publish(per_point="1000000")
    shop.answer(fair, points=999999)
    found = shop.preview(absurd)
    assert found.left_by_problem == {"amount_out_of_range": 1}
    assert set(found.left_by_problem) <= set(PROBLEMS)


def test_what_is_left_keeps_its_part_of_the_allowance(shop):
    some = shop.publish(per_point="1", monthly_allowance="5")
    more = shop.publish(per_point="1000000", monthly_allowance="5")
    shop.answer(some, points=999999)  # all five are free of it, and it stays as it is
    shop.answer(some, points=0.000001, after=1)
    found = shop.preview(more)
    assert counts(found) == (1, 1, 1)
    assert found.total("would_be") == NANO
