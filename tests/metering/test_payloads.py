"""The bodies in tests/data/response_data give the figures that stand beside them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from app.metering.body import parse_finish
from app.metering.counting import Usage, count

DATA = Path(__file__).parent.parent / "data" / "response_data"
NAMES = sorted(p.name.removesuffix(".expected.json") for p in DATA.glob("*.expected.json"))


def _usage(name: str) -> Usage:
    body = parse_finish((DATA / f"{name}.json").read_bytes())
    return count(
        body.nodes,
        regime="auto",
        points_per_node_max=Decimal(1_000_000),
        has_chat_id=body.chat_id is not None,
    )


def _expected(name: str) -> dict:
    return json.loads((DATA / f"{name}.expected.json").read_text())


def by_model(usage: Usage) -> dict[str, dict]:
    figures: dict[str, dict] = {}
    for line in usage.lines:
        entry = figures.setdefault(
            line.model, {"points": Decimal(0), "input_tokens": None, "output_tokens": None}
        )
        entry["points"] += line.points
        for name, tokens in (
            ("input_tokens", line.input_tokens),
            ("input_tokens", line.embedding_tokens),
            ("input_tokens", line.rerank_tokens),
            ("output_tokens", line.output_tokens),
        ):
            if tokens is not None:
                entry[name] = (entry[name] or 0) + tokens
    return figures


def test_the_payloads_are_here():
    assert len(NAMES) == 24


@pytest.mark.parametrize("name", NAMES)
def test_total_is_exact(name):
    assert _usage(name).total == Decimal(_expected(name)["total_points"])


@pytest.mark.parametrize("name", NAMES)
def test_tokens_and_nodes(name):
    usage, expected = _usage(name), _expected(name)
    assert usage.input_tokens == expected["input_tokens"]
    assert usage.output_tokens == expected["output_tokens"]
    assert usage.node_count == expected["nodes"]


@pytest.mark.parametrize("name", NAMES)
def test_split_by_model(name):
    usage, expected = _usage(name), _expected(name)["by_model"]
    split = by_model(usage)
    assert set(split) == set(expected)
    for model, figures in split.items():
        assert abs(figures["points"] - Decimal(expected[model]["points"])) < Decimal("1e-9")
        assert figures["input_tokens"] == expected[model]["input_tokens"]
        assert figures["output_tokens"] == expected[model]["output_tokens"]


@pytest.mark.parametrize("name", NAMES)
def test_lines_add_up_exactly_and_none_is_negative(name):
    usage = _usage(name)
    assert sum((line.points for line in usage.lines), Decimal(0)) == usage.total
    assert all(line.points >= 0 for line in usage.lines)


@pytest.mark.parametrize("name", NAMES)
def test_generation_is_recognised(name):
    year = name.split("-")[0]
    allowed = {"2023": {"G0"}, "2024": {"G2", "G3"}, "2025": {"G4", "G?"}, "2026": {"G5"}}
    assert _usage(name).generation in allowed[year]


def test_2023_prices_stay_in_their_own_unit():
    assert _usage("2023-price").unit == "price"
    assert {_usage(name).unit for name in NAMES if not name.startswith("2023")} == {"points"}
