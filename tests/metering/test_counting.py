import json
from decimal import Decimal

import pytest
from app.metering.body import parse_finish
from app.metering.counting import TOTAL_MAX, count

MAX = Decimal(1_000_000)


def _count(*nodes: dict, regime: str = "auto", points_max: Decimal = MAX, **options: bool):
    body = parse_finish(json.dumps({"responseData": list(nodes)}).encode())
    return count(body.nodes, regime=regime, points_per_node_max=points_max, **options)


def _chat(points: object = 1, model: str = "m", **fields: object) -> dict:
    return {"moduleType": "chatNode", "totalPoints": points, "model": model, **fields}


def _points(usage) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for line in usage.lines:
        found[line.model] = found.get(line.model, Decimal(0)) + line.points
    return found


def test_nothing_ran():
    usage = _count()
    assert (usage.total, usage.lines, usage.node_count) == (0, (), 0)
    assert (usage.input_tokens, usage.output_tokens, usage.running_time_ms) == (None, None, None)


@pytest.mark.parametrize("points", [-1, -1e-9, 1_000_001, 1e12])
def test_figures_that_cannot_be_believed_count_as_missing(points):
    usage = _count(_chat(points), _chat(2))
    assert usage.total == 2
    (warning,) = usage.warnings
    assert warning in {"points_negative", "points_absurd"}


def test_a_parent_whose_figure_is_not_believed_falls_back_to_its_children():
    parent = {"moduleType": "appModule", "totalPoints": -5, "pluginDetail": [_chat(3)]}
    assert _count(parent).total == 3


def test_the_bound_on_a_node_is_inclusive():
    assert _count(_chat(1_000_000)).total == 1_000_000


def test_a_total_beyond_the_ledger_is_not_believed():
    usage = _count(*[_chat(900_000)] * 1200)
    assert usage.total == 0
    assert usage.warnings["total_absurd"] == 1
    assert all(line.points == 0 for line in usage.lines)
    assert _count(*[_chat(1_000_000)] * 1000).total == TOTAL_MAX


def test_prices_have_a_bound_of_their_own_unit():
    node = {"moduleType": "chatNode", "price": 2_000_000, "tokens": 5, "model": "m"}
    assert _count(node).total == 2_000_000
    assert _count(node, points_max=Decimal(1)).warnings == {"price_absurd": 1}


def test_points_win_over_prices_and_the_mix_is_named():
    usage = _count(_chat(1), {"moduleType": "chatNode", "price": 500, "model": "m"})
    assert (usage.unit, usage.total) == ("points", 1)
    assert usage.warnings == {"price_beside_points": 1}


def test_a_null_total_does_not_hide_a_price():
    usage = _count({"moduleType": "chatNode", "totalPoints": None, "price": 5, "model": "m"})
    assert (usage.unit, usage.total) == ("price", 5)


def test_flat_fee_goes_to_the_parent_and_tokens_stay_with_the_children():
    usage = _count(
        {
            "moduleType": "pluginModule",
            "totalPoints": 2,
            "pluginDetail": [_chat(5, inputTokens=7, outputTokens=1)],
        }
    )
    assert _points(usage) == {"": 2, "m": 0}
    assert (usage.input_tokens, usage.output_tokens) == (7, 1)


def test_lines_whose_cost_stands_elsewhere_are_told_from_free_ones():
    own_key = _chat(0, "own-key", inputTokens=5)
    fee = {"moduleType": "pluginModule", "totalPoints": 2, "pluginDetail": [_chat(5, "paid")]}
    waived = {"moduleType": "pluginModule", "totalPoints": 0, "pluginDetail": [_chat(5, "waived")]}
    call = {"model": "extension", "inputTokens": 5}
    search = {"moduleType": "datasetSearchNode", "totalPoints": 1, "queryExtensionResult": call}
    free = {**search, "totalPoints": 0, "queryExtensionResult": {**call, "model": "free"}}
    usage = _count(own_key, fee, waived, search, free)
    covered = {line.model for line in usage.lines if line.is_covered}
    assert covered == {"paid", "waived", "extension"}


def test_noise_below_the_children_comes_off_the_largest_line():
    usage = _count(
        {
            "moduleType": "loop",
            "totalPoints": 2.9999999999,
            "loopDetail": [_chat(1, "a"), _chat(2, "b")],
        }
    )
    assert usage.total == Decimal("2.9999999999")
    assert _points(usage) == {"a": 1, "b": Decimal("1.9999999999")}


def test_noise_larger_than_any_line_makes_the_parent_a_flat_fee():
    parts = [_chat(4e-10, "a"), _chat(4e-10, "b")]
    usage = _count({"moduleType": "loop", "totalPoints": 0, "loopDetail": parts})
    assert usage.total == 0
    assert _points(usage) == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("kind", "own", "child_points", "expected"),
    [
        ("appModule", 5, None, 5),
        ("loopRun", 5, None, 5),
        ("datasetSearchNode", 5, None, 5),
        ("appModule", 1, None, 4),  # too little to include 3: its own cost
        ("appModule", 3 - 1e-10, None, Decimal("2.9999999999")),
        ("tools", 5, 3, 5),
        ("tools", 5, None, 8),
        ("tools", 5, 0, 8),
        ("tools", 2, 3, 5),
        ("tool", 5, None, 8),
        ("agent", 0, None, 3),
        ("somethingNew", 5, None, 8),
        ("loopRun", None, None, 3),
    ],
)
def test_children_responses_by_kind(kind, own, child_points, expected):
    node = {"moduleType": kind, "childrenResponses": [_chat(3)]}
    if own is not None:
        node["totalPoints"] = own
    if child_points is not None:
        node["childTotalPoints"] = child_points
    assert _count(node).total == expected


@pytest.mark.parametrize(
    ("regime", "classic", "newest"),
    [("auto", 5, 8), ("inclusive", 5, 5), ("exclusive", 8, 8)],
)
def test_the_regime_of_a_link_overrides_the_shape(regime, classic, newest):
    old = {"moduleType": "tools", "totalPoints": 5, "toolDetail": [_chat(3)]}
    new = {"moduleType": "tools", "totalPoints": 5, "childrenResponses": [_chat(3)]}
    assert _count(old, regime=regime).total == classic
    assert _count(new, regime=regime).total == newest


@pytest.mark.parametrize("regime", ["auto", "inclusive", "exclusive"])
def test_a_parent_without_a_figure_is_its_children_in_every_regime(regime):
    for name in ("toolDetail", "childrenResponses"):
        assert _count({"moduleType": "tools", name: [_chat(3)]}, regime=regime).total == 3


def test_where_the_regime_mattered_is_said():
    new = {"moduleType": "tools", "totalPoints": 5, "childrenResponses": [_chat(3)]}
    old = {"moduleType": "tools", "totalPoints": 5, "toolDetail": [_chat(3)]}
    agent = {"moduleType": "tool", "totalPoints": 0, "childrenResponses": [_chat(3)]}
    small = {"moduleType": "tool", "totalPoints": 1, "childrenResponses": [_chat(3)]}
    assert _count(new, old, agent).warnings == {"inclusion_guessed:tools": 1}
    assert _count(new, old, regime="exclusive").warnings == {"classic_children_added": 1}
    assert _count(small, old, regime="inclusive").warnings == {"children_left_out": 1}


def test_dataset_side_models_get_lines_of_their_own():
    usage = _count(
        {
            "moduleType": "datasetSearchNode",
            "totalPoints": 2,
            "embeddingModel": "emb",
            "embeddingTokens": 10,
            "rerankModel": "rank",
            "reRankInputTokens": 20,
            "queryExtensionResult": {
                "llmModel": "ext",
                "inputTokens": 30,
                "outputTokens": 3,
                "embeddingModel": "emb2",
                "embeddingTokens": 5,
            },
            "deepSearchResult": {"model": "deep", "inputTokens": 40, "outputTokens": 4},
        }
    )
    assert _points(usage) == {"emb": 2, "rank": 0, "ext": 0, "emb2": 0, "deep": 0}
    by_model = {line.model: line for line in usage.lines}
    assert by_model["emb"].embedding_tokens == 10
    assert by_model["rank"].rerank_tokens == 20
    assert (by_model["ext"].input_tokens, by_model["ext"].output_tokens) == (30, 3)
    assert by_model["emb2"].embedding_tokens == 5
    assert (usage.input_tokens, usage.output_tokens) == (105, 7)


@pytest.mark.parametrize(
    "row",
    [
        {"moduleType": "datasetSearchNode", "moduleName": "core.module.template.Query extension"},
        {"moduleType": "datasetSearchNode", "moduleName": "问题优化"},
        {"moduleType": "cfr", "moduleName": "x"},
        {"moduleType": "chatNode", "moduleName": "x", "inputTokens": 30, "outputTokens": 3},
    ],
)
def test_a_query_extension_with_a_row_of_its_own_is_counted_once(row):
    call = {"model": "ext", "inputTokens": 30, "outputTokens": 3}
    node = {
        "moduleType": "datasetSearchNode",
        "totalPoints": 2,
        "queryExtensionResult": call,
        "childrenResponses": [{**call, **row, "totalPoints": 1}],
    }
    usage = _count(node)
    assert usage.total == 2
    assert (usage.input_tokens, usage.output_tokens) == (30, 3)
    assert _points(usage) == {"": 1, "ext": 1}


def test_an_image_caption_row_does_not_hide_the_query_extension():
    usage = _count(
        {
            "moduleType": "datasetSearchNode",
            "totalPoints": 2,
            "queryExtensionResult": {"model": "ext", "inputTokens": 30, "outputTokens": 3},
            "childrenResponses": [
                {"moduleType": "datasetSearchNode", "moduleName": "image parse", "inputTokens": 9}
            ],
        }
    )
    assert usage.input_tokens == 39


def test_figures_that_repeat_others_are_ignored():
    usage = _count(
        _chat(
            1,
            tokens=99,
            toolCallTokens=99,
            extensionTokens=99,
            charsLength=99,
            compressTextAgent={"inputTokens": 99, "totalPoints": 99},
        )
    )
    assert (usage.total, usage.input_tokens, usage.output_tokens) == (1, None, None)


def test_tool_call_tokens_are_added_to_the_nodes_own():
    usage = _count(
        _chat(1, inputTokens=1, toolCallInputTokens=2, outputTokens=3, toolCallOutputTokens=4)
    )
    assert (usage.input_tokens, usage.output_tokens) == (3, 7)


def test_unknown_kinds_are_counted_by_name_within_bounds():
    usage = _count({"moduleType": "brandNew", "totalPoints": 1}, {"moduleType": "brandNew"}, {})
    assert usage.total == 1
    assert usage.warnings == {"unknown_node_kind:brandNew": 2, "node_kind_missing": 1}
    many = _count(*[{"moduleType": f"kind{n}"} for n in range(100)])
    assert len(many.warnings) == 21
    assert sum(many.warnings.values()) == 100


def test_running_time_is_that_of_the_top_level_in_milliseconds():
    inner = _chat(1, runningTime=2)
    outer = {"moduleType": "loop", "runningTime": 2.31, "loopDetail": [inner]}
    usage = _count(outer, _chat(1, runningTime=0.005), _chat(1, runningTime=-3))
    assert usage.running_time_ms == 2315
    assert usage.warnings == {"running_time_absurd": 1}


def test_nodes_without_use_make_no_line():
    assert (
        _count(
            {"moduleType": "workflowStart"}, {"moduleType": "ifElseNode", "totalPoints": 0}
        ).lines
        == ()
    )


@pytest.mark.parametrize(
    ("node", "generation"),
    [
        ({"price": 1, "tokens": 3}, "G0"),
        ({"price": 1, "inputTokens": 3, "outputTokens": 1}, "G1"),
        ({"price": 1, "charsLength": 3}, "G1"),
        ({"totalPoints": 1, "charsLength": 3}, "G2"),
        ({"totalPoints": 1, "tokens": 3}, "G3"),
        ({"totalPoints": 1, "nodeId": "x"}, "G3"),
        ({"totalPoints": 1, "tokens": 3, "inputTokens": 2}, "G4"),
        ({"totalPoints": 1, "id": "x"}, "G4"),
        ({"totalPoints": 1, "llmRequestIds": ["x"]}, "G5"),
        ({"childrenResponses": [{"moduleType": "chatNode"}]}, "G5"),
        ({"moduleType": "answerNode"}, "G?"),
    ],
)
def test_generation(node, generation):
    assert _count(node).generation == generation


def test_a_chat_id_marks_the_newest_generation():
    assert _count(has_chat_id=True).generation == "G5"
