"""Numbers of pages are what babel makes of them, in each language."""

from decimal import Decimal

import pytest
from app.pagekit import formats
from babel import numbers
from flask import Flask, g
from hypothesis import given
from hypothesis import strategies as st

AMOUNTS = st.decimals(
    -(10**14), 10**14, allow_nan=False, allow_infinity=False, places=9
) | st.sampled_from([Decimal("-0.000000001"), Decimal("1E+3"), Decimal(0), Decimal("0.125")])


@pytest.fixture(scope="module", params=sorted(formats.BABEL))
def language(request):
    with Flask("page").app_context():
        g.locale = request.param
        yield formats.BABEL[request.param]


@given(value=AMOUNTS, places=st.sampled_from([2, 4, 6, 9]))
def test_amounts_are_written_as_babel_does(language, value, places):
    pattern = "#,##0.00" + "#" * (places - 2)
    assert formats.decimal(value, places) == numbers.format_decimal(value, pattern, language)
    assert formats.decimal(str(value), places) == formats.decimal(value, places)


@given(value=st.integers(-(10**15), 10**15) | st.floats(-1e6, 1e6))
def test_counts_are_written_as_babel_does(language, value):
    assert formats.count(value) == numbers.format_decimal(value, locale=language)


def test_nothing_is_a_dash(language):
    assert formats.decimal(None) == formats.count(None) == formats.nano(None) == formats.NOTHING
