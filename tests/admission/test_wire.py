import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from app.admission import wire
from app.admission.micro import MICRO_MAX, ceil_micro, floor_micro, points_micro
from app.admission.periods import SEED_NAMES, periods_at
from app.admission.rules import Rate, Rules, rate_of
from app.config import Settings
from app.errors import Unavailable
from app.limits import LinkLimits, VisitorLimits

from admission_builders import UNIT, Books, make_ask

RULES = Rules.of(Settings())


def written(ask, seeds=None, wanted=SEED_NAMES) -> dict:
    periods = replace(periods_at(ask.now, ZoneInfo("Asia/Shanghai")), wanted=frozenset(wanted))
    return json.loads(wire.ask_json(ask, periods, RULES, seeds, takes_old_seeds=False))


def test_amounts_are_rounded_against_the_visitor():
    assert (floor_micro(1999), ceil_micro(1001)) == (1, 2)
    assert (floor_micro(-1), ceil_micro(-1999)) == (-1, -1)
    assert points_micro(Decimal("0.0000019")) == 1
    assert points_micro(Decimal(-1)) is None


def test_amounts_stay_exact_in_a_double():
    assert floor_micro(2**63 - 1) == MICRO_MAX < 2**53
    assert floor_micro(-(2**63)) == -MICRO_MAX


@pytest.mark.parametrize(
    ("per_minute", "burst", "rate"),
    [
        (None, 5, None),
        (-1, 5, None),
        (0, 5, Rate(0, 0)),
        (60, None, Rate(1_000_000, 60_000_000)),
        (60, -1, Rate(1_000_000, 60_000_000)),
        (60, 3, Rate(1_000_000, 3_000_000)),
        (60, 0, Rate(1_000_000, 1_000_000)),
        (7, 1, Rate(8_571_429, 8_571_429)),
        (10**9, None, Rate(1, 10**9)),
        (1, 10**9, Rate(60_000_000, 10**13)),
    ],
)
def test_rate_is_an_interval_and_a_tolerance(per_minute, burst, rate):
    assert rate_of(per_minute, burst) == rate


def test_limit_that_does_not_exist_is_left_out():
    ask = make_ask(visitor=VisitorLimits(open_questions=-1, questions_per_day=3))
    values = written(ask)
    assert values["visitor_day_questions"] == 3
    assert not {"visitor_open", "visitor_rate", "link_open", "guests_open", "seeds"} & set(values)


def test_guests_limits_bind_guests_only():
    ask = make_ask(link=LinkLimits(open_questions=4))
    assert written(ask)["link_open"] == 4
    assert "guests_open" not in written(replace(ask, is_guest=False))


@pytest.mark.parametrize(
    ("changes", "charging"),
    [
        ({"is_free": True, "credit_limit": 0}, "free"),
        ({"credit_limit": None}, "endless"),
        ({"credit_limit": 0}, "limited"),
    ],
)
def test_charging_says_whether_the_balance_is_looked_at(changes, charging):
    assert written(make_ask(**changes))["charging"] == charging


def test_only_wanted_seeds_are_handed_in_and_none_may_be_lacking():
    books = Books()
    books.say(balance=-1, day_points=UNIT + 1, version=4)
    seeds = written(make_ask(), books.seeds, {"balance", "day_points"})["seeds"]
    assert seeds == {"version": 4, "balance": -1, "day_points": 1_000_001}
    lacking = replace(books.seeds, balance=None)
    with pytest.raises(Unavailable, match="balance"):
        written(make_ask(), lacking, {"balance"})


def test_moments_are_exact_to_the_microsecond():
    assert wire.epoch_us(datetime(2100, 1, 1, 0, 0, 0, 999_999, UTC)) == 4_102_444_800_999_999


def test_no_number_is_a_float():
    values = written(make_ask(credit_limit=5, visitor=VisitorLimits(points_per_day=Decimal("0.5"))))
    numbers = [value for value in values.values() if isinstance(value, float)]
    assert numbers == []
    assert values["visitor_day_points"] == 500_000
