"""Amounts are exact, rounded once, and split without losing a unit."""

from decimal import Decimal
from fractions import Fraction

import pytest
from app.errors import Invalid
from app.money import NANO_MAX, allocate, format_nano, from_nano, parse_amount, to_nano
from hypothesis import given
from hypothesis import strategies as st

NANOS = st.integers(-NANO_MAX, NANO_MAX)


@given(NANOS)
def test_nano_units_survive_every_way_out_and_back(nano):
    assert to_nano(from_nano(nano)) == nano
    assert parse_amount(format_nano(nano)) == nano


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (13_761_400_000, "13.7614"),
        (0, "0"),
        (-2_000_000_000, "-2"),
        (100_000_000_000, "100"),
        (-1, "-0.000000001"),
    ],
)
def test_amounts_are_written_plainly(nano, text):
    assert format_nano(nano) == text


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("0.0000000005", 1),
        ("0.00000000049999", 0),
        ("-0.0000000005", -1),
        ("0.0000000004" + "9" * 200, 0),
        ("1E-999999", 0),
        ("-1E-999999", 0),
        ("0E+50", 0),
        ("-0", 0),
        ("1E9", 10**18),
    ],
)
def test_rounding_is_half_up_and_happens_once(amount, nano):
    assert to_nano(Decimal(amount)) == nano


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "1E10"])
def test_amounts_no_column_holds_are_refused(amount):
    with pytest.raises(Invalid) as refused:
        to_nano(Decimal(amount))
    assert refused.value.code == "amount_out_of_range"


@pytest.mark.parametrize("text", ["12.50", " 12.5 ", "+12.5", "0012.500000000"])
def test_plain_decimals_are_read(text):
    assert parse_amount(text) == 12_500_000_000


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "1.", ".5", "1e3", "1_000", "1,5", "NaN", "inf", "１２", "0x10", "9" * 99],
)
def test_anything_but_a_plain_decimal_is_refused(text):
    with pytest.raises(Invalid) as refused:
        parse_amount(text)
    assert refused.value.code == "amount_invalid"


def test_amount_finer_than_the_ledger_is_refused():
    with pytest.raises(Invalid) as refused:
        parse_amount("0.0000000001")
    assert refused.value.code == "amount_too_fine"


WEIGHTS = st.lists(
    st.decimals(0, 10**9, places=12, allow_nan=False, allow_infinity=False), min_size=1
)


@given(st.integers(0, NANO_MAX), WEIGHTS)
def test_parts_add_up_and_are_within_one_unit_of_their_share(total, weights):
    parts = allocate(total, weights)
    assert sum(parts) == total
    whole = sum(Fraction(weight) for weight in weights)
    for part, weight in zip(parts, weights, strict=True):
        if whole:
            assert abs(part - total * Fraction(weight) / whole) < 1


def test_what_is_left_goes_to_the_largest_remainders():
    assert allocate(10, [Decimal(1), Decimal(1), Decimal(1)]) == [4, 3, 3]
    assert allocate(10, [Decimal("0.5"), Decimal("0.5"), Decimal(9)]) == [1, 0, 9]


def test_weights_with_more_digits_than_a_context_add_up():
    weights = [Decimal("1." + "3" * 60), Decimal("1." + "6" * 60)]
    assert sum(allocate(10**18, weights)) == 10**18


def test_nothing_to_weigh_by_gives_the_whole_to_the_first():
    assert allocate(7, [Decimal(0), Decimal(0)]) == [7, 0]
    assert allocate(7, []) == []
