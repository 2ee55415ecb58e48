import json
import tracemalloc
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from app.metering import body as body_module
from app.metering.body import parse_finish, parse_question
from app.metering.nodes import NODE_DEPTH_MAX, NODES_MAX, read_nodes
from app.metering.tally import Tally
from hypothesis import given

from metering.trees import trees

DATA = Path(__file__).parent.parent / "data" / "response_data"


def _finish(**fields: object):
    return parse_finish(json.dumps(fields).encode())


def _node(**fields: object):
    body = _finish(responseData=[fields])
    return body.nodes[0], body.warnings


def test_everyday_fields():
    body = parse_finish((DATA / "2026-agent.json").read_bytes())
    assert body.token == "emp-77@corp"
    assert body.app_name == "销售分析 Agent"
    assert body.chat_id == "nK4x0vB2cQwErTyU1iOpA3sD"
    assert body.has_response_data
    assert body.warnings == {}
    assert [node.kind for node in body.nodes][:2] == ["workflowStart", "agent"]
    assert body.nodes[1].points == Decimal("7.74")
    assert body.nodes[4].children[0].model == "claude-haiku"


def test_absent_response_data_is_an_empty_list():
    body = _finish(token="t")
    assert body.nodes == ()
    assert not body.has_response_data
    assert body.warnings == {}


@pytest.mark.parametrize("wrong", [{"a": 1}, "[]", 7, True])
def test_response_data_of_another_type_is_empty_with_a_warning(wrong):
    body = _finish(token="t", responseData=wrong)
    assert body.nodes == ()
    assert body.warnings == {"response_data_not_a_list": 1}


def test_null_response_data_is_as_good_as_absent_but_noted():
    body = _finish(responseData=None)
    assert not body.has_response_data
    assert body.warnings == {"response_data_null": 1}


def test_items_that_are_no_objects_are_counted_and_left_out():
    body = _finish(responseData=[1, None, "x", [], {"moduleType": "tool", "totalPoints": 1}])
    assert len(body.nodes) == 1
    assert body.warnings == {"node_not_an_object": 4}


@pytest.mark.parametrize("token", [None, 7, ["t"], {"a": 1}, True])
def test_a_token_that_is_no_string_is_none(token):
    body = _finish(token=token)
    assert body.token is None
    assert body.warnings == {"token_not_a_string": 1}


def test_the_last_of_duplicate_keys_counts_as_in_javascript():
    body = parse_finish(
        b'{"token":"a","token":"b","responseData":[{"totalPoints":1,"totalPoints":2}]}'
    )
    assert body.token == "b"
    assert body.nodes[0].points == 2


def test_escaped_keys_are_the_same_keys():
    assert _node_of(rb'{"total\u0050oints": 2}').points == 2


def _node_of(text: bytes):
    return parse_finish(b'{"responseData":[' + text + b"]}").nodes[0]


def test_unknown_keys_are_skipped_in_all_bodies():
    assert _finish(token="t", newKey={"deep": [1]}, responseData=[]).warnings == {}
    assert parse_question(b'{"token":"t","question":"q","extra":[1]}').question == "q"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.2000000000000002", "1.2000000000000002"),
        (b"3e-7", "3E-7"),
        (b"1.23e-8", "1.23E-8"),
        (b"13", "13"),
        (b"-0", "0"),
        (b"-0.0", "0"),
        (b"1E+2", "1E+2"),
        (b"-5", "-5"),
    ],
)
def test_numbers_are_read_from_their_text(text, value):
    assert str(_node_of(b'{"totalPoints":' + text + b"}").points) == value


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        (b"null", "points_null"),
        (b'"5"', "points_not_a_number"),
        (b"true", "points_not_a_number"),
        (b"[5]", "points_not_a_number"),
        (b"{}", "points_not_a_number"),
        (b"NaN", "points_not_a_number"),
        (b"-Infinity", "points_not_a_number"),
        (b"1e308", "points_absurd"),
        (b"1e999999999999999999999", "points_absurd"),
        (b"9" * 500, "points_absurd"),
    ],
)
def test_points_that_cannot_be_believed_are_missing_with_a_warning(value, warning):
    body = parse_finish(b'{"responseData":[{"totalPoints":' + value + b"}]}")
    assert body.nodes[0].points is None
    assert body.warnings[warning] == 1


def test_points_finer_than_any_bill_are_rounded_with_a_warning():
    node, warnings = _node(totalPoints=5e-324)
    assert node.points == 0
    assert warnings == {"points_too_fine": 1}


@pytest.mark.parametrize(
    ("value", "tokens", "warning"),
    [
        (100, 100, None),
        (100.0, 100, None),
        (0, 0, None),
        (1e3, 1000, None),
        (1.5, 2, "tokens_fractional"),
        (-1, None, "tokens_negative"),
        (1e12, None, "tokens_absurd"),
        (None, None, "tokens_null"),
        ("100", None, "tokens_not_a_number"),
        ([], None, "tokens_not_a_number"),
    ],
)
def test_token_counts(value, tokens, warning):
    node, warnings = _node(inputTokens=value)
    assert node.input_tokens == tokens
    assert warnings == ({warning: 1} if warning else {})


def test_one_wrong_field_costs_only_itself():
    node, warnings = _node(
        id=5, moduleType=["chatNode"], model={"a": 1}, totalPoints=0.5, childrenResponses="x"
    )
    assert (node.id, node.kind, node.model, node.children) == (None, "", "", ())
    assert node.points == Decimal("0.5")
    assert warnings == {
        "text_not_a_string:id": 1,
        "text_not_a_string:moduleType": 1,
        "text_not_a_string:model": 1,
        "children_not_a_list": 1,
    }


def test_text_that_will_be_stored_is_scrubbed_and_cut():
    body = parse_finish(
        b'{"appName":"a\\u0000b\\ud83d","chatId":"'
        + b"c" * 2000
        + b'","responseData":[{"model":"'
        + b"m" * 300
        + b'"}]}'
    )
    assert body.app_name == "a\ufffdb\ufffd"
    assert len(body.chat_id or "") == 1024
    assert len(body.nodes[0].model) == 200
    assert body.warnings["text_scrubbed:appName"] == 1
    assert body.warnings["text_cut:chatId"] == 1
    assert body.warnings["text_cut:model"] == 1


def test_every_list_of_children_is_read():
    leaf = {"moduleType": "chatNode", "model": "m"}
    lists = ["pluginDetail", "toolDetail", "loopDetail", "parallelDetail", "loopRunDetail"]
    for name in lists:
        node, _ = _node(moduleType="x", **{name: [leaf, "skipped"]})
        assert len(node.details) == 1
    node, _ = _node(moduleType="x", childrenResponses=[leaf], loopRunHistory=[leaf, leaf])
    assert len(node.children) == 1
    assert node.details == ()


def test_unknown_numbers_that_look_like_money_are_named():
    _, warnings = _node(moduleType="tool", bonusPoints=3, cachedInputTokens=4, newPrice="x")
    assert warnings == {"unknown_field:bonusPoints": 1, "unknown_field:cachedInputTokens": 1}


def test_money_inside_a_users_own_data_is_not_money():
    node, warnings = _node(moduleType="httpRequest468", httpResult={"price": 5, "salePrice": 9})
    assert node.price is None
    assert warnings == {}


def test_made_up_field_names_do_not_grow_the_warnings():
    _, warnings = _node(**{f"x{n}Points": n for n in range(100)})
    assert len(warnings) == 21
    assert sum(warnings.values()) == 100


def test_more_nodes_than_the_bound_are_cut_with_a_warning():
    body = parse_finish(b'{"responseData":[' + b",".join([b"{}"] * (NODES_MAX + 5)) + b"]}")
    assert len(body.nodes) == NODES_MAX
    assert body.warnings["nodes_too_many"] == 5


def test_deeper_nodes_than_the_bound_are_cut_with_a_warning():
    text = b'{"moduleType":"tool","totalPoints":1}'
    for _ in range(NODE_DEPTH_MAX):
        text = b'{"moduleType":"tool","childrenResponses":[' + text + b"]}"
    body = parse_finish(b'{"responseData":[' + text + b"]}")
    assert body.warnings["nodes_too_deep"] == 1


def test_question_is_kept_whatever_json_it_is():
    assert parse_question(b'{"token":"t","question":"a\\nb"}').question == "a\nb"
    call = parse_question('{"token":"t","question":{"city":"奥斯陆"}}'.encode())
    assert call.question == '{"city":"奥斯陆"}'
    assert call.warnings == {"question_not_a_string": 1}
    assert parse_question(b'{"token":"t"}').question is None
    assert parse_question(b'{"token":"t","question":null}').question is None
    assert parse_question(b'{"token":"t","question":"\\ud83d"}').question == "\ufffd"
    assert parse_question(b'{"token":"t","question":""}').question == ""


def test_invalid_utf8_in_a_needed_string_is_replaced():
    assert parse_finish(b'{"token":"a\xff"}').token == "a\ufffd"
    assert parse_question(b'{"token":"t","question":["\xff"]}').question == '["\ufffd"]'


def _quotes(size: int) -> bytes:
    body = json.loads((DATA / "2025-big-quotelist.json").read_bytes())
    dataset = body["responseData"][1]
    quotes = dataset["quoteList"]
    length = len(json.dumps(quotes, ensure_ascii=False).encode())
    dataset["quoteList"] = quotes * (size // length + 1)
    return json.dumps(body, ensure_ascii=False).encode()


def _peak_of_parsing(body: bytes) -> int:
    tracemalloc.start()
    try:
        parsed = parse_finish(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert parsed.nodes[2].points == Decimal("49.88000000000001")
    return peak


def test_a_large_body_costs_few_objects():
    body = _quotes(10_000_000)
    assert len(body) > 10_000_000
    assert _peak_of_parsing(body) < 100_000


def test_a_large_body_in_need_of_repair_costs_one_copy():
    body = _quotes(10_000_000).replace(b"laboratory", rb"\ud83d", 1)
    assert _peak_of_parsing(body) < len(body) * 1.25
    assert parse_finish(body).warnings == {"body_lone_surrogate": 1}


def test_a_body_made_of_tiny_values_costs_no_list_of_them(monkeypatch):
    monkeypatch.setattr(body_module, "COMMAS_MAX", 1000)
    body = b'{"token":"t","responseData":[' + b"1 ," * 100_000 + b'{"totalPoints":1}]}'
    tracemalloc.start()
    try:
        parsed = parse_finish(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert parsed.nodes[0].points == 1
    assert parsed.warnings == {"node_not_an_object": 100_000}
    assert peak < 100_000


@given(trees())
def test_values_found_one_at_a_time_are_the_same(tree):
    tally = Tally()
    raw = msgspec.Raw(json.dumps(tree.nodes, indent=1).encode())
    assert read_nodes(raw, tally, is_dense=True) == read_nodes(raw, tally, is_dense=False)


def test_the_digest_is_of_the_bytes_of_response_data():
    one = parse_finish(b'{"token":"a","responseData":[{"id":"x"}]}')
    two = parse_finish(b'{"responseData":[{"id":"x"}],"token":"b"}')
    other = parse_finish(b'{"token":"a","responseData":[{"id":"y"}]}')
    assert one.body_digest == two.body_digest
    assert one.body_digest != other.body_digest
