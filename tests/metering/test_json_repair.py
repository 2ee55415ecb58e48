import json

import pytest
from app.metering.body import Unreadable, parse_finish
from app.metering.json_repair import DEPTH_MAX, repair
from hypothesis import given
from hypothesis import strategies as st

from metering.trees import trees


@pytest.mark.parametrize(
    ("broken", "mended", "warning"),
    [
        (rb'["\ud83d"]', ["\ufffd"], "body_lone_surrogate"),
        (rb'["\ude00x"]', ["\ufffdx"], "body_lone_surrogate"),
        (rb'["a\ud83d\ud83d\ude00"]', ["a\ufffd😀"], "body_lone_surrogate"),
        (b'["a\x00b\nc"]', ["a\0b\nc"], "body_control_character"),
        (rb'["\q"]', ["\\q"], "body_stray_escape"),
        (rb'["\u12"]', ["\\u12"], "body_stray_escape"),
        (b'["\xff\xe4"]', ["\ufffd\ufffd"], "body_not_utf8"),
        (b"\xef\xbb\xbf[1]", [1], "body_bom"),
        (b"[NaN, Infinity,-Infinity]", ["NaN", "Infinity", "-Infinity"], "body_not_a_number"),
    ],
)
def test_a_flaw_is_mended_and_named(broken, mended, warning):
    repaired = repair(broken)
    assert json.loads(repaired.body) == mended
    assert warning in repaired.warnings


def test_an_escaped_backslash_before_u_is_no_surrogate():
    sound = rb'["\\ud83d", "\\\\", "\"", "\ud83d\ude00"]'
    assert repair(sound).body == sound
    assert repair(sound).warnings == {}


def test_words_inside_strings_are_left_alone():
    sound = b'{"a": "NaN [[ Infinity }", "b": []}'
    assert repair(sound).body == sound


def test_nesting_deeper_than_the_bound_is_blanked():
    deep = b"[" * 5000 + b"]" * 5000
    body = b'{"a": ' + deep + b', "b": [1, ' + deep + b", 2]}"
    repaired = repair(body)
    value = json.loads(repaired.body)
    assert value["b"][0] == 1
    assert value["b"][2] == 2
    assert repaired.warnings == {"body_too_deep": 2}
    depth, inner = 1, value["a"]  # the object around it is the first level
    while inner is not None:
        depth, inner = depth + 1, inner[0]
    assert depth == DEPTH_MAX


def test_very_deep_nesting_in_a_field_costs_only_that_field():
    deep = b"[" * 100_000 + b"]" * 100_000
    node = b'{"moduleType":"tool","totalPoints":0.5,"httpResult":' + deep + b"}"
    body = parse_finish(b'{"token":"t","responseData":[' + node + b"]}")
    assert str(body.nodes[0].points) == "0.5"
    assert body.warnings["body_too_deep"] == 1


@pytest.mark.parametrize(
    "hopeless",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"token": "a"',
        b'{"token": "a"} tail',
        b'{"a": [}',
        b"\xff\xfe{",
        b'{"a": "b\\',
        b"[" * 100_000,
        b'"' + b'\\"' * 100_000,
        b"token=abc",
    ],
)
def test_what_is_no_object_is_unreadable(hopeless):
    with pytest.raises(Unreadable) as refused:
        parse_finish(hopeless)
    assert refused.value.code == "request_malformed"


@given(trees(), st.sampled_from([rb"\ud83d", rb"\udc00\ud800", b"\x00", rb"\x", b"\xff"]))
def test_a_repaired_body_counts_like_a_clean_one(tree, flaw):
    for node in tree.nodes:
        node["query"] = "@@"
    clean = tree.body()
    broken = clean.replace(b"@@", flaw)
    assert parse_finish(broken).nodes == parse_finish(clean).nodes


@given(st.binary(max_size=200))
def test_any_bytes_are_repaired_or_refused(noise):
    try:
        body = parse_finish(b'{"token":"t","x":' + noise)
    except Unreadable:
        return
    assert body.token is None or isinstance(body.token, str)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_sound_json_is_not_touched(value):
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        body = text.encode("utf-8", "surrogatepass")
        repaired = repair(body)
        if not repaired.warnings:
            assert repaired.body == body
