"""Random months: priced by their own prices nothing changes, and every way leads back."""

import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from app.db import Database
from app.pricing.book import ModelPrice
from app.rerating.tariff import IN_FORCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.trees import trees
from moments import NOW
from rerating_builders import SINCE, UNTIL, YEAR, Shop
from turn_builders import make_turn

_amounts = st.decimals(min_value=0, max_value=20, places=9)
_rules = st.lists(
    st.builds(
        ModelPrice,
        pattern=st.sampled_from(["*", "gpt*", "qwen-max"]),
        applies=st.sampled_from(["always", "zero_points"]),
        input_per_1k=_amounts,
        output_per_1k=_amounts,
    ),
    max_size=2,
)
_books = st.fixed_dictionaries(
    {
        "per_point": _amounts,
        "per_question": st.sampled_from([Decimal(0), Decimal("0.01")]),
        "minimum": st.sampled_from([Decimal(0), Decimal("0.5")]),
        "zero_usage": st.sampled_from(["free", "charged"]),
        "monthly_allowance": st.sampled_from([Decimal(0), Decimal(3), Decimal(40)]),
        "models": _rules,
    }
)
_multipliers = st.sampled_from([Decimal(0), Decimal("0.333333333"), Decimal(1), Decimal("1.5")])
# Days are in any order: an answer that waited in the spool is booked after later ones.
_answers = st.tuples(trees(), st.integers(0, 1), st.integers(0, 40), _multipliers, _multipliers)


def _answer(shop: Shop, version: int, number: int, answer) -> None:
    tree, user, days, link_factor, plan_factor = answer
    visitor = shop.stage.visitor(user)
    plan = replace(visitor.user.plan, price_multiplier=plan_factor)
    visitor = replace(
        visitor,
        link=replace(visitor.link, price_multiplier=link_factor),
        user=replace(visitor.user, plan=plan),
    )
    at = SINCE + timedelta(days=days, seconds=number * 300)
    turn = make_turn(visitor, {"responseData": tree.nodes}, f"a{number}", at, {})
    shop.settle(turn, version)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(_books, st.integers(0, 40)), min_size=2, max_size=3),
    st.lists(_answers, min_size=1, max_size=6),
    _books,
    st.integers(0, 45),
)
def test_nothing_changes_by_the_same_prices_and_every_way_leads_back(
    sqlite_template, published, answers, other, cut
):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "books.sqlite3"
        shutil.copyfile(sqlite_template, path)
        db = Database(f"sqlite:///{path}")
        try:
            _check_there_and_back(Shop(db, NOW), published, answers, other, cut)
        finally:
            db.close()


def _check_there_and_back(shop: Shop, published, answers, other, cut) -> None:
    begins = {
        shop.publish(effective_at=SINCE + timedelta(days=days), **book): days
        for book, days in [(published[0][0], 0), *published[1:]]
    }
    for number, answer in enumerate(answers):
        # As the store decides: the one that took effect last, of two the later published.
        in_force = max((days, version) for version, days in begins.items() if days <= answer[2])[1]
        _answer(shop, in_force, number, answer)
    charged = [shop.balance(user) for user in (0, 1)]
    used = _used(shop)
    unchanged = shop.preview(IN_FORCE)
    assert [(user.changes, user.difference, user.left) for user in unchanged.users] == [
        (0, 0, 0)
    ] * len(unchanged.users)

    selection = replace(YEAR, until=SINCE + timedelta(days=cut, seconds=1))
    target = shop.publish(effective_at=UNTIL, **other)  # never in force at any answer's time
    found = shop.preview(target, selection)
    shop.apply(target, selection)
    assert [shop.balance(user) for user in (0, 1)] == [
        balance - Decimal(_difference(shop, found, user)) / 10**9
        for user, balance in enumerate(charged)
    ]
    assert shop.apply(target, selection) == []
    assert shop.stage.findings() == []

    shop.apply(IN_FORCE, selection)
    assert [shop.balance(user) for user in (0, 1)] == charged
    assert _used(shop) == used
    assert shop.stage.findings() == []


def _used(shop: Shop) -> list[Decimal]:
    return [shop.allowance_used(user, month) for user in (0, 1) for month in ("2026-01", "2026-02")]


def _difference(shop: Shop, found, user: int) -> int:
    return sum(
        one.difference for one in found.users if one.owner.user_id == shop.stage.user_ids[user]
    )
