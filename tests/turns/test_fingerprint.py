import json
from pathlib import Path

import pytest
from app.metering.body import parse_finish
from app.turns.fingerprint import Fingerprint, fingerprint
from hypothesis import given
from hypothesis import strategies as st

from metering.trees import trees

DATA = Path(__file__).parent.parent / "data" / "response_data"


def _of(body: bytes | dict, link_id: int = 1, user_id: int = 2) -> Fingerprint:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fingerprint(link_id, user_id, parse_finish(raw))


def _reordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in reversed(list(value))}
    return [_reordered(item) for item in value] if isinstance(value, list) else value


@given(trees("G4", "G5-inclusive", "G5-exclusive"))
def test_key_order_and_whitespace_do_not_matter_when_there_are_run_ids(tree):
    plain = {"token": "t", "responseData": tree.nodes}
    other = json.dumps(_reordered(plain), indent=2).encode()
    if tree.nodes:
        assert _of(plain) == _of(other)
        assert _of(plain).is_lasting


def test_link_user_and_chat_are_part_of_it():
    body = {"responseData": [{"id": "x"}]}
    digests = {
        _of(body).digest,
        _of(body, link_id=9).digest,
        _of(body, user_id=9).digest,
        _of({**body, "chatId": "c"}).digest,
        _of({**body, "chatId": "d"}).digest,
    }
    assert len(digests) == 5


def test_token_and_app_name_are_not_part_of_it():
    body = {"responseData": [{"id": "x"}]}
    assert _of({**body, "token": "a", "appName": "n"}) == _of({**body, "token": "b"})


@pytest.mark.parametrize(
    "increment",
    [
        {"totalPoints": 0.6},
        {"inputTokens": 11},
        {"runningTime": 1.6},
        {"parentId": "p"},
        {"childrenResponses": [{"id": "y"}]},
        {"queryExtensionResult": {"inputTokens": 5}},
        {"tokens": 5},
        {"price": 5},
    ],
)
def test_a_resumed_round_that_repeats_ids_is_another_one(increment):
    node = {"id": "x", "totalPoints": 0.5, "inputTokens": 10, "runningTime": 1.5}
    first = _of({"chatId": "c", "responseData": [node]})
    second = _of({"chatId": "c", "responseData": [{**node, **increment}]})
    assert first.digest != second.digest


def test_one_number_written_two_ways_is_the_same():
    one = b'{"responseData":[{"id":"x","totalPoints":1,"runningTime":0.10}]}'
    two = b'{"responseData":[{"id":"x","totalPoints":1.0,"runningTime":1e-1}]}'
    assert _of(one) == _of(two)


def test_bodies_without_run_ids_do_not_last():
    for name in ("2023-price", "2024-chars-beta", "2024-points-dataset-chat", "2025-empty"):
        assert not _of((DATA / f"{name}.json").read_bytes()).is_lasting


def test_without_run_ids_the_texts_tell_rounds_apart():
    node = {"moduleType": "chatNode", "price": 5, "tokens": 1}
    hello = _of({"responseData": [{**node, "question": "hello"}]})
    thanks = _of({"responseData": [{**node, "question": "thanks"}]})
    assert hello.digest != thanks.digest
    assert hello == _of({"responseData": [{**node, "question": "hello"}], "token": "other"})


def test_with_run_ids_a_mended_text_does_not_matter():
    sound = b'{"responseData":[{"id":"x","totalPoints":1,"query":"ok"}]}'
    flawed = sound.replace(b"ok", rb"\ud83d")
    assert _of(sound) == _of(flawed)


@given(st.lists(st.dictionaries(st.sampled_from(["id", "totalPoints", "model"]), st.text())))
def test_any_nodes_have_a_fingerprint(nodes):
    assert len(_of({"responseData": nodes}).digest) == 64
