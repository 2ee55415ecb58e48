import json
import math
from decimal import Decimal

import pytest
from app.simulator.javascript import exact, number_text, stringify
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1 + 0.2, "0.30000000000000004"),
        (2.0, "2"),
        (-0.0, "0"),
        (0.000001, "0.000001"),
        (3e-7, "3e-7"),
        (1.23e-8, "1.23e-8"),
        (1e21, "1e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1.5e300, "1.5e+300"),
        (-12.5, "-12.5"),
        (100, "100"),
    ],
)
def test_numbers_print_as_javascript_prints_them(number, text):
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_printed_number_means_the_same_double(number):
    assert float(number_text(number)) == number
    assert exact(number) == Decimal(number_text(number))


def test_what_is_not_a_number_becomes_null():
    assert stringify([math.nan, math.inf, None]) == "[null,null,null]"
    with pytest.raises(ValueError, match="no JSON form"):
        number_text(math.inf)


def test_lone_surrogates_are_escaped_and_pairs_are_not():
    text = stringify("a\ud83d b🌦\x00")
    assert text == '"a\\ud83d b🌦\\u0000"'
    assert text.encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda items: st.lists(items) | st.dictionaries(st.text(), items),
    )
)
def test_stringify_reads_back_as_what_it_was(value):
    assert json.loads(stringify(value)) == value


def test_unknown_types_are_refused():
    with pytest.raises(TypeError, match="set has no JSON form"):
        stringify({1})
