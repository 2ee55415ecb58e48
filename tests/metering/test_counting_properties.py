"""What must hold for every tree, whatever its generation and nesting."""

import json
from collections import Counter
from decimal import Decimal

from app.metering.body import parse_finish
from app.metering.counting import TOTAL_MAX, Usage, count
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.trees import GENERATIONS, trees

MAX = Decimal(1_000_000)


def _usage(body: bytes, regime: str = "auto") -> Usage:
    return count(parse_finish(body).nodes, regime=regime, points_per_node_max=MAX)


def _inputs(usage: Usage) -> Counter:
    found: Counter = Counter()
    for line in usage.lines:
        for tokens in (line.input_tokens, line.embedding_tokens, line.rerank_tokens):
            found[line.model] += tokens or 0
    return found


@given(trees())
@settings(max_examples=300)
def test_total_is_what_fastgpt_billed(tree):
    assert _usage(tree.body()).total == tree.total


@given(trees())
@settings(max_examples=300)
def test_no_model_call_is_lost_whatever_the_nesting(tree):
    usage = _usage(tree.body())
    outputs: Counter = Counter()
    for line in usage.lines:
        outputs[line.model] += line.output_tokens or 0
    assert +_inputs(usage) == +tree.input_tokens
    assert +outputs == +tree.output_tokens
    assert usage.node_count == tree.node_count
    assert (usage.input_tokens or 0) == sum(tree.input_tokens.values())


@given(trees(), st.sampled_from(["auto", "inclusive", "exclusive"]))
@settings(max_examples=300)
def test_lines_add_up_to_the_total_and_none_is_negative(tree, regime):
    usage = _usage(tree.body(), regime)
    assert sum((line.points for line in usage.lines), Decimal(0)) == usage.total
    assert all(line.points >= 0 for line in usage.lines)


@given(trees("G0", "G1", "G2", "G3", "G4"))
def test_classic_bodies_cost_the_sum_of_their_top_level(tree):
    usage = _usage(tree.body(), "inclusive")
    assert usage.total == tree.total


@given(trees("G5-exclusive"))
def test_the_exclusive_regime_adds_the_whole_tree(tree):
    assert _usage(tree.body(), "exclusive").total == tree.total


@given(trees("G0", "G1"), trees("G4"))
def test_price_and_points_are_never_added_together(priced, pointed):
    nodes = [*priced.nodes, *pointed.nodes]
    usage = _usage(json.dumps({"responseData": nodes}).encode())
    has_points = any("totalPoints" in json.dumps(_without_bulk(n)) for n in pointed.nodes)
    if usage.unit == "points":
        assert usage.total == pointed.total
    else:
        assert not has_points or pointed.total == 0
        assert usage.total == priced.total


def _without_bulk(node: dict) -> dict:
    return {k: v for k, v in node.items() if k not in ("historyPreview", "quoteList")}


@given(st.sampled_from(GENERATIONS).flatmap(trees))
def test_key_order_and_whitespace_do_not_matter(tree):
    shuffled = json.dumps(
        {"responseData": tree.nodes, "token": "t"}, indent=3, sort_keys=True
    ).encode()
    assert _usage(shuffled) == _usage(tree.body())


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "totalPoints",
                    "price",
                    "childTotalPoints",
                    "inputTokens",
                    "tokens",
                    "model",
                    "moduleType",
                    "id",
                    "runningTime",
                    "childrenResponses",
                    "toolDetail",
                    "pluginDetail",
                    "queryExtensionResult",
                    "newPoints",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=40,
)


@given(_JSON, _JSON, _JSON, st.sampled_from(["auto", "inclusive", "exclusive"]))
@settings(max_examples=500)
def test_any_json_is_counted_without_failing_and_never_as_a_credit(token, data, chat_id, regime):
    sent = {"token": token, "responseData": data, "chatId": chat_id, "appName": data}
    body = parse_finish(json.dumps(sent).encode())
    usage = count(body.nodes, regime=regime, points_per_node_max=MAX)
    assert 0 <= usage.total <= TOTAL_MAX
    assert all(line.points >= 0 for line in usage.lines)
    assert sum((line.points for line in usage.lines), Decimal(0)) == usage.total
    json.dumps({**body.warnings, **usage.warnings}).encode()


@given(st.lists(_JSON, max_size=4))
@settings(max_examples=300)
def test_any_list_of_nodes_is_counted(nodes):
    usage = _usage(json.dumps({"responseData": nodes}).encode())
    assert usage.total >= 0
    assert usage.node_count >= sum(isinstance(node, dict) for node in nodes)
