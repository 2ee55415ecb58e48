import json
import random
from collections import Counter
from decimal import Decimal

import pytest
from app.simulator import payloads
from app.simulator.payloads import GENERATIONS, Payload, Rates

from fakes.naive_counting import body_total

ALL_SHAPES = [
    (generation, shape) for generation in GENERATIONS for shape in payloads.shapes(generation)
]


def made(generation: str, shape: str | None = None, seed: int = 0) -> tuple[Payload, ...]:
    return payloads.make(random.Random(seed), generation, shape)


def nodes(payload: Payload) -> list[dict]:
    found, waiting = [], list(payload.fields.get("responseData", []))
    while waiting:
        node = waiting.pop()
        found.append(node)
        for value in node.values():
            if isinstance(value, list):
                waiting += [item for item in value if isinstance(item, dict)]
    return found


@pytest.mark.parametrize(("generation", "shape"), ALL_SHAPES)
def test_total_known_by_making_equals_the_counting_rule(generation, shape):
    for seed in range(6 if shape == "big_quotes" else 50):
        for payload in made(generation, shape, seed):
            assert payload.total == body_total(payload.body("token")), payload.fields


@pytest.mark.parametrize("generation", GENERATIONS)
def test_answers_cut_short_have_exact_totals_too(generation):
    for seed in range(60):
        payload = payloads.make_cut_short(random.Random(seed), generation)
        assert payload.total == body_total(payload.body("token"))
        assert payload.shape == payloads.CUT_SHORT


def test_same_seed_makes_the_same_bytes_and_another_seed_others():
    for generation in GENERATIONS:
        first, again, other = (made(generation, "chat", seed)[0].body("t") for seed in (1, 1, 2))
        assert first == again
        assert first != other


def test_every_shape_is_drawn_sooner_or_later():
    rng = random.Random(5)
    for generation in GENERATIONS:
        drawn = Counter(payloads.make(rng, generation)[0].shape for _ in range(1500))
        assert set(drawn) == set(payloads.shapes(generation))


def test_bodies_carry_the_fields_of_their_generation():
    expected = {
        "G0": {"token", "responseData"},
        "G1": {"token", "responseData"},
        "G2": {"token", "appName", "responseData"},
        "G3": {"token", "appName", "responseData"},
        "G4": {"token", "appName", "responseData"},
        "G5": {"token", "appName", "chatId", "responseData"},
    }
    for generation, fields in expected.items():
        assert set(json.loads(made(generation, "chat")[0].body("t"))) == fields


@pytest.mark.parametrize("generation", GENERATIONS)
def test_money_stands_in_one_field_only(generation):
    keys = {
        key
        for seed in range(200)
        for p in made(generation, seed=seed)
        for n in nodes(p)
        for key in n
    }
    old = generation in ("G0", "G1")
    assert ("price" in keys, "totalPoints" in keys) == (old, not old)


@pytest.mark.parametrize(
    ("generation", "field"),
    [
        ("G0", "tokens"),
        ("G1", "inputTokens"),
        ("G1", "charsLength"),
        ("G2", "charsLength"),
        ("G2", "extensionCharsLength"),
        ("G3", "tokens"),
        ("G3", "toolCallTokens"),
        ("G3", "extensionTokens"),
        ("G4", "toolCallInputTokens"),
        ("G4", "reRankInputTokens"),
        ("G4", "queryExtensionResult"),
        ("G4", "deepSearchResult"),
        ("G4", "loopDetail"),
        ("G4", "pluginDetail"),
        ("G4", "toolDetail"),
        ("G5", "childrenResponses"),
        ("G5", "llmRequestIds"),
        ("G5", "compressTextAgent"),
        ("G5", "loopRunHistory"),
        ("G5", "parallelRunDetail"),
    ],
)
def test_each_generations_own_fields_occur(generation, field):
    assert any(
        field in node
        for seed in range(400)
        for p in made(generation, seed=seed)
        for node in nodes(p)
    )


def test_numbers_are_noisy_as_doubles_are():
    bodies = [p.body("t") for seed in range(200) for p in made("G4", seed=seed)]
    values = [
        number
        for body in bodies
        for number in _numbers(json.loads(body, parse_float=Decimal), "totalPoints")
    ]
    assert any(-number.as_tuple().exponent >= 15 for number in values)


def _numbers(value: object, key: str) -> list[Decimal]:
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if isinstance(value.get(key), Decimal) else []
    return own + [number for item in value.values() for number in _numbers(item, key)]


def test_flat_fee_counts_less_than_its_children_show():
    payload = made("G4", "flat_fee")[0]
    plugin = payload.fields["responseData"][-1]
    assert payload.total == 2 == plugin["totalPoints"]


def test_own_key_costs_nothing_but_shows_its_tokens():
    for payload in made("G4", "own_key"):
        calls = [node for node in nodes(payload) if "inputTokens" in node]
        assert calls
        assert all(node["totalPoints"] == 0 and node["inputTokens"] > 0 for node in calls)


def test_resumed_loop_repeats_its_id_with_another_increment():
    first, second = made("G5", "resumed_loop")
    (loop,) = [n for n in first.fields["responseData"] if n["moduleType"] == "loopRun"]
    (resumed,) = [n for n in second.fields["responseData"] if n["moduleType"] == "loopRun"]
    assert loop["id"] == resumed["id"]
    assert loop["childrenResponses"] != resumed["childrenResponses"]
    assert first.fields["chatId"] == second.fields["chatId"]


def test_response_data_may_be_absent_or_empty():
    assert "responseData" not in made("G4", "no_response_data")[0].fields
    assert made("G0", "empty")[0].body("t") == b'{"token":"t","responseData":[]}'
    assert not made("G4", "no_response_data")[0].is_distinct
    assert not made("G5", "empty")[0].is_distinct


def test_half_an_emoji_is_sent_as_an_escape():
    bodies = [p.body("t") for seed in range(200) for p in made("G4", "chat", seed)]
    assert any(b"\\ud83d" in body for body in bodies)


def test_largest_bodies_are_bounded():
    sizes = [len(made("G4", "big_quotes", seed)[0].body("t")) for seed in range(30)]
    assert 30_000 < max(sizes) < 500_000


@pytest.mark.parametrize(
    ("total", "nano"), [("0.0000000005", 1), ("0.00000000049", 0), ("2", 2 * 10**9)]
)
def test_points_are_rounded_half_up_once(total, nano):
    assert Payload("G4", "chat", {}, Decimal(total), "points").nano(Rates()) == (nano, None)


def test_prices_of_2023_are_converted_before_they_are_rounded():
    price = Payload("G0", "chat", {}, Decimal("2765.9000000000000001"), "price")
    assert price.nano(Rates()) == (27_659_000, None)
    assert price.nano(Rates(Decimal("0.1"))) == (276_590_000_000, None)


def test_charge_is_rounded_from_the_exact_points_not_from_rounded_ones():
    rates = Rates(charge_per_point=Decimal(10))
    assert Payload("G4", "chat", {}, Decimal("0.00000000049"), "points").nano(rates) == (0, 5)
