"""Answers priced again: booked once, from what they cost now, whatever comes in between."""

import threading
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa
from app.audit.models import AuditEntry
from app.db import Database
from app.funding import changes
from app.funding.changes import Change, PricedSince, Reversal
from app.ledger.transactions import EntryInvalid
from app.rerating import apply as booking
from app.rerating import store
from app.rerating.apply import Order, PreviewChanged, WalletsBelowZero
from app.rerating.tariff import IN_FORCE

from books import NANO
from rerating_builders import ACTOR, YEAR, Shop


@pytest.fixture
def shop(db: Database, now) -> Shop:
    return Shop(db, now)


def reverse(shop: Shop, transaction_id: int, key: str = "undo") -> None:
    undo = Reversal(transaction_id, "a mistake", key, allow_negative=True)
    changes.reverse(shop.db, undo, actor=ACTOR, now=shop.now)


def audit_rows(shop: Shop) -> list[AuditEntry]:
    with shop.db.read() as session:
        rows = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id))
        return [row for row in rows if row.action == "wallets.rerate"]


def test_each_difference_is_an_adjustment_that_says_what_it_replaces(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1.5")
    reference = shop.answer(dear, points=2)
    shop.answer(fair, points=2)
    (booked,) = shop.apply(fair)
    assert (booked.adjustments, booked.amount, booked.version) == (1, NANO, 3)
    (entry,) = [one for one in shop.entries() if one.kind == "adjustment"]
    assert (entry.amount, entry.reason, entry.actor) == (NANO, "wrong price", "alice")
    said = entry.as_json()["rerating"]
    assert said["reference"] == reference
    assert said["before"] == {"price_version": dear, "charge": "4", "allowance": "0"}
    assert said["after"] == {"price_version": fair, "charge": "3", "allowance": "0"}
    assert shop.stage.findings() == []


def test_an_answer_may_become_dearer_and_the_wallet_pays(shop):
    cheap, fair = shop.publish(per_point="1"), shop.publish(per_point="1.5")
    shop.answer(cheap)
    shop.apply(fair)
    assert shop.adjustments() == [-NANO]
    assert shop.balance() == -3


def test_the_same_run_again_books_nothing(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    for user in (0, 1, 1):
        shop.answer(dear, user=user)
    digest = shop.preview(fair).digest
    assert len(shop.apply(fair, expect=digest)) == 2
    assert shop.apply(fair, expect=digest) == []
    assert shop.apply(fair) == []
    assert (len(shop.adjustments(0)), len(shop.adjustments(1))) == (1, 2)


def test_there_and_back_is_a_difference_of_zero_as_often_as_one_likes(shop):
    one, two = shop.publish(per_point="2"), shop.publish(per_point="1", monthly_allowance="1")
    shop.answer(one)
    for target in (two, one, two, one):
        assert len(shop.apply(target)) == 1
    assert shop.adjustments() == [3 * NANO, -3 * NANO, 3 * NANO, -3 * NANO]
    assert (shop.balance(), shop.allowance_used()) == (-4, 0)
    assert shop.stage.findings() == []


def test_the_second_run_starts_from_what_the_answer_costs_now(shop):
    one, two, three = (shop.publish(per_point=price) for price in ("3", "2", "1"))
    shop.answer(one)
    shop.apply(two)
    shop.apply(three)
    (first, second) = [one.rerating for one in shop.entries() if one.rerating is not None]
    assert second.before == first.after
    assert shop.balance() == -2


def test_a_reversed_charge_is_left_alone(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    reference = shop.answer(dear)
    reverse(shop, shop.transaction(reference))
    found = shop.preview(fair)
    assert [(one.reference, one.problem) for one in found.left] == [(reference, "charge_reversed")]
    assert shop.apply(fair) == []
    assert shop.balance() == 0


def test_a_reversed_rerating_counts_no_longer(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1", monthly_allowance="1")
    shop.answer(dear)
    shop.apply(fair)
    assert (shop.balance(), shop.allowance_used()) == (-1, 1)
    reverse(shop, shop.entries()[-1].transaction)
    assert (shop.balance(), shop.allowance_used()) == (-4, 0)
    shop.apply(fair)
    assert (shop.balance(), shop.allowance_used()) == (-1, 1)
    assert shop.stage.findings() == []


def test_what_an_answer_costs_is_undone_newest_first(shop):
    one, two, three = (shop.publish(per_point=price) for price in ("3", "2", "1"))
    shop.answer(one)
    shop.apply(two)
    shop.apply(three)
    charge, first, second = (entry.transaction for entry in shop.entries())
    with pytest.raises(PricedSince, match=f"reverse {second} and {first} first"):
        reverse(shop, charge)
    with pytest.raises(PricedSince, match=f"reverse {second} first"):
        reverse(shop, first)
    for transaction in (second, first, charge):
        reverse(shop, transaction, key=f"undo-{transaction}")
    assert shop.balance() == 0
    assert shop.apply(one) == []
    assert shop.stage.findings() == []


def test_a_reversal_asked_again_is_the_same_even_if_the_answer_was_priced_since(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear)
    shop.apply(fair)
    rerating = shop.entries()[-1].transaction
    reverse(shop, rerating)
    shop.apply(fair)
    reverse(shop, rerating)
    assert shop.balance() == -2


def test_multipliers_are_those_of_then(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    visitor = shop.stage.visitor(0)
    plan = replace(visitor.user.plan, price_multiplier=shop.versions[dear].per_point)
    shop.answer(dear, visitor=replace(visitor, user=replace(visitor.user, plan=plan)))
    assert shop.balance() == -8
    shop.apply(fair)
    assert shop.balance() == -4


def test_an_answer_without_usage_keeps_or_loses_the_price_of_a_question(shop):
    asked = shop.publish(per_point="1", per_question="3", zero_usage="charged")
    free = shop.publish(per_point="1", per_question="3")
    usage = replace(shop.stage.turn("x").usage, lines=(), total=Decimal(0))
    shop.answer(asked, usage=usage)
    assert shop.balance() == -3
    assert shop.preview(asked).total("changes") == 0
    shop.apply(free)
    assert shop.balance() == 0


def test_in_force_prices_each_answer_by_the_version_of_its_time(shop):
    first = shop.publish(per_point="1")
    later = shop.now.replace(minute=30)
    second = shop.publish(per_point="2", effective_at=later)
    for minutes in (0, 60):
        shop.answer(first, after=minutes)
    shop.apply(IN_FORCE)
    assert shop.adjustments() == [-2 * NANO]
    assert shop.entries()[-1].rerating.after.version == second


def test_a_free_part_that_changes_alone_is_booked_as_zero_and_later_charges_are_right(shop):
    generous = shop.publish(per_point="1", monthly_allowance="3")
    frugal = shop.publish(per_point="0.5", monthly_allowance="3")
    shop.answer(generous, points=2)
    assert (shop.balance(), shop.allowance_used()) == (0, 2)
    shop.apply(frugal)
    assert shop.adjustments() == [0]
    assert shop.allowance_used() == 1
    shop.answer(frugal, points=5, after=1)
    assert (shop.balance(), shop.allowance_used()) == (-0.5, 3)
    assert shop.apply(frugal) == []
    assert shop.stage.findings() == []


def test_answers_outside_of_the_selection_keep_what_they_had_of_the_allowance(shop):
    none, some = shop.publish(per_point="1"), shop.publish(per_point="1", monthly_allowance="5")
    first = shop.answer(none, points=4)
    shop.answer(some, points=3, after=10)
    early = replace(YEAR, until=shop.now.replace(minute=5))
    shop.apply(some, early)
    assert shop.adjustments() == [2 * NANO]
    assert shop.allowance_used() == 5
    assert shop.entries()[-1].rerating.reference == first


def test_each_month_has_its_own_allowance(shop):
    none, some = shop.publish(per_point="1"), shop.publish(per_point="1", monthly_allowance="3")
    for day in range(3):
        shop.answer(none, points=2, after=day * 24 * 60 * 5)
    shop.apply(some)
    assert shop.adjustments() == [2 * NANO, 1 * NANO, 2 * NANO]
    assert (shop.allowance_used(), shop.allowance_used(month="2026-12")) == (3, 2)


def test_an_expected_preview_that_changed_is_refused(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear)
    digest = shop.preview(fair).digest
    shop.answer(dear, after=1)
    with pytest.raises(PreviewChanged, match=digest):
        shop.apply(fair, expect=digest)
    assert shop.adjustments() == []


def test_answers_that_would_not_change_do_not_change_the_preview(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear)
    digest = shop.preview(fair).digest
    shop.answer(fair, after=1)
    assert shop.preview(fair).digest == digest


def test_an_old_preview_is_not_taken_for_a_later_one_of_the_same_prices(shop):
    one, two = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(one)
    digest = shop.preview(two).digest
    shop.apply(two, expect=digest)
    shop.apply(one)
    with pytest.raises(PreviewChanged):
        shop.apply(two, expect=digest)


def test_a_wallet_below_zero_needs_leave(shop):
    cheap, fair = shop.publish(per_point="1"), shop.publish(per_point="2")
    for user in (0, 1):
        shop.answer(cheap, user=user)
    paid = Change(shop.stage.user_ids[0], 10 * NANO, "CNY", "paid", "k")
    changes.top_up(shop.db, paid, actor=ACTOR, now=shop.now)
    found = shop.preview(fair)
    assert [one.owner.user_id for one in found.below_zero] == [shop.stage.user_ids[1]]
    with pytest.raises(WalletsBelowZero, match="1 wallets"):
        booking.check(found, expect=None, allow_negative=False)
    booking.check(shop.preview(cheap), expect=None, allow_negative=False)


def test_a_debt_that_grows_smaller_needs_no_leave(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear)
    booking.check(shop.preview(fair), expect=None, allow_negative=False)


def test_a_page_is_audited_once_with_its_run(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    for minutes in range(3):
        shop.answer(dear, after=minutes)
    digest = shop.preview(fair).digest
    shop.apply(fair)
    (row,) = audit_rows(shop)
    assert (row.actor, row.reason, row.object_id) == (
        "alice",
        "wrong price",
        str(shop.stage.user_ids[0]),
    )
    assert row.before == {"balance": "-12"}
    assert row.after == {"balance": "-6", "run": digest, "adjustments": 3}


@pytest.mark.parametrize("reason", ["", "  "])
def test_without_a_reason_nothing_is_booked(shop, reason):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    shop.answer(dear)
    found = shop.preview(fair)
    with pytest.raises(EntryInvalid, match="reason"):
        list(booking.apply(shop.db, found, Order("r", "CNY", reason), actor=ACTOR, now=shop.now))
    assert (shop.adjustments(), audit_rows(shop)) == ([], [])


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(store, "PAGE_ROWS", 2)


ALLOWING = {"per_point": "1", "monthly_allowance": "5"}


def test_a_run_that_was_killed_between_pages_goes_on(shop, small_pages):
    dear, fair = shop.publish(per_point="2"), shop.publish(**ALLOWING)
    for number in range(7):
        shop.answer(dear, user=number % 2, after=number)
    found = shop.preview(fair)
    run = booking.apply(
        shop.db, found, Order(found.digest, "CNY", "wrong price"), actor=ACTOR, now=shop.now
    )
    next(run)
    run.close()
    assert (len(shop.adjustments(0)), len(shop.adjustments(1))) == (2, 0)
    assert shop.stage.findings() == []
    rest = shop.apply(fair, expect=found.digest)
    assert sum(one.adjustments for one in rest) == 5
    assert (shop.balance(0), shop.balance(1)) == (-3, -1)
    assert shop.allowance_used(0) == shop.allowance_used(1) == 5
    assert {one.rerating.run for one in shop.entries() if one.rerating} == {found.digest}
    assert shop.apply(fair, expect=found.digest) == []


def test_a_run_that_was_killed_within_a_page_leaves_nothing_of_the_page(
    shop, small_pages, monkeypatch
):
    dear, fair = shop.publish(per_point="2"), shop.publish(**ALLOWING)
    for number in range(4):
        shop.answer(dear, after=number)
    record, calls = booking.journal.record, []

    def die_at_the_second(*arguments, **named) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        record(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(booking.journal, "record", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            shop.apply(fair)
    assert len(shop.adjustments()) == 2
    assert shop.allowance_used() == 4
    assert shop.stage.findings() == []
    shop.apply(fair)
    assert (len(shop.adjustments()), shop.balance(), shop.allowance_used()) == (4, -3, 5)


def test_an_answer_that_comes_between_pages_is_outside_and_nothing_is_free_twice(shop, small_pages):
    dear, fair = shop.publish(per_point="2"), shop.publish(**ALLOWING)
    for number in range(4):
        shop.answer(dear, points=2, after=number)
    found = shop.preview(fair)
    run = booking.apply(
        shop.db, found, Order(found.digest, "CNY", "wrong price"), actor=ACTOR, now=shop.now
    )
    next(run)  # the first two are free: four of five
    shop.answer(fair, points=3, after=9)  # takes the last one, and pays two
    list(run)
    assert shop.allowance_used() == 5
    assert shop.balance() == -2 - 4
    assert shop.stage.findings() == []


def test_a_finish_of_the_same_user_waits_for_the_page_and_is_charged_after_it(shop, monkeypatch):
    dear, fair = shop.publish(per_point="2"), shop.publish(**ALLOWING)
    shop.answer(dear, points=2)
    post, is_waiting = booking.writer.post_many, []
    finish = threading.Thread(target=lambda: shop.answer(fair, points=4, after=1))

    def post_while_a_finish_arrives(session, bookings):
        if not finish.ident:  # the finish posts by the same function; by then it has begun
            finish.start()
            finish.join(0.5)
            is_waiting.append(finish.is_alive())
        return post(session, bookings)

    monkeypatch.setattr(booking.writer, "post_many", post_while_a_finish_arrives)
    shop.apply(fair)
    finish.join()
    assert is_waiting == [True]
    assert [one.kind for one in shop.entries()] == ["charge", "adjustment", "charge"]
    assert (shop.balance(), shop.allowance_used()) == (-1, 5)
    assert shop.stage.findings() == []


def test_a_charge_reversed_after_the_preview_is_not_priced_again(shop):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    first, _ = shop.answer(dear), shop.answer(dear, after=1)
    found = shop.preview(fair)
    reverse(shop, shop.transaction(first))
    order = Order(found.digest, "CNY", "wrong price")
    list(booking.apply(shop.db, found, order, actor=ACTOR, now=shop.now))
    assert shop.adjustments() == [2 * NANO]
    assert shop.balance() == -2


def test_another_run_at_the_same_time_books_nothing_twice(shop, small_pages):
    dear, fair = shop.publish(per_point="2"), shop.publish(per_point="1")
    for number in range(4):
        shop.answer(dear, after=number)
    found = shop.preview(fair)
    order = Order(found.digest, "CNY", "wrong price")
    one, two = (booking.apply(shop.db, found, order, actor=ACTOR, now=shop.now) for _ in range(2))
    booked = [next(one), *two, *one]
    assert sum(page.adjustments for page in booked) == 4
    assert shop.balance() == -8
