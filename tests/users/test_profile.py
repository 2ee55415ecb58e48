"""Claims made fit to be kept."""

import json
import math

import pytest
from app.users.profile import ATTRIBUTES_MAX, profile
from hypothesis import given
from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(name=ANYTHING, locale=ANYTHING, attributes=st.dictionaries(st.text(), ANYTHING))
def test_whatever_the_claims_hold_can_be_stored(name, locale, attributes):
    made = profile(name=name, locale=locale, attributes=attributes)
    assert made.name is None or (0 < len(made.name) <= 200 and "\0" not in made.name)
    assert made.locale in (None, "zh", "en")
    for value in made.attributes.values():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
        assert "\\u0000" not in text


@pytest.mark.parametrize(
    ("claim", "locale"),
    [("zh", "zh"), ("zh-CN", "zh"), ("zh_Hans_CN", "zh"), ("EN-gb", "en"), ("fr", None), (5, None)],
)
def test_locale_is_recognised(claim, locale):
    assert profile(locale=claim).locale == locale


def test_what_cannot_be_kept_is_left_out_or_mended():
    made = profile(
        name="A\0nn\ud800",
        attributes={"n": math.nan, "big": 10**30, "list": [1], "ok": True, "text": "x" * 900},
    )
    assert made.name == "A\ufffdnn\ufffd"
    assert made.attributes == {"ok": True, "text": "x" * 500}


def test_attributes_are_bounded():
    assert len(profile(attributes={str(n): n for n in range(99)}).attributes) == ATTRIBUTES_MAX
