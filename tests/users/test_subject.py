"""Any subject can be stored, and no two become one."""

import pytest
from app.users.subject import STORED_BYTES_MAX, storable
from hypothesis import example, given
from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=30)
AWKWARD = st.text(st.sampled_from(["\0", "\ud83d", "\ude00", "\U0001f600", "\\", '"', "u", "a"]))
MARKED = st.sampled_from(["~json:", "~sha256:", "~json", "~"]).flatmap(
    lambda marker: AWKWARD.map(lambda rest: marker + rest)
)
SUBJECTS = ANY_TEXT | AWKWARD | MARKED


@given(SUBJECTS)
def test_stored_form_fits_both_databases(subject):
    stored = storable(subject)
    assert "\0" not in stored
    assert len(stored.encode()) <= STORED_BYTES_MAX  # and it encodes: no lone surrogates


@given(SUBJECTS, SUBJECTS)
@example("\0\U0001f600", "\0\ud83d\ude00")
@example("\0", '~json:"\\u0000"')
@example("\ud800", "\\ud800")
def test_different_subjects_stay_different(one, other):
    assert (storable(one) == storable(other)) == (one == other)


@pytest.mark.parametrize(
    "subject", ["ann", "张三", "a b", "~bob", "a|b/c\\d", "u@example.com", "\n"]
)
def test_plain_text_is_kept_as_it_is(subject):
    assert storable(subject) == subject


def test_over_long_subjects_are_kept_by_their_digest():
    longest = "x" * STORED_BYTES_MAX
    assert storable(longest) == longest
    assert storable(longest + "x").startswith("~sha256:")
    assert storable(longest + "x") != storable(longest + "y")
