from decimal import Decimal

import pytest
from app.pricing.book import DEFAULT_BOOK, ModelPrice, PriceBook, plain
from pydantic import ValidationError


def test_by_default_a_point_costs_one_unit_and_nothing_else_costs_anything():
    assert DEFAULT_BOOK.per_point == 1
    assert PriceBook(currency="CNY", per_point=Decimal(1)) == DEFAULT_BOOK
    assert not DEFAULT_BOOK.is_free


def test_a_book_survives_storage():
    book = PriceBook(
        currency="EUR",
        per_point="0.123456789",
        per_question="0.10",
        models=[ModelPrice(pattern="gpt-*", input_per_1k="2.50", applies="zero_points")],
    )
    document = book.document()
    assert document["per_question"] == "0.1"
    assert document["models"][0]["input_per_1k"] == "2.5"
    assert PriceBook.model_validate(document) == book


def test_equal_books_have_equal_digests():
    assert PriceBook(minimum="1.50").digest() == PriceBook(minimum=Decimal("1.5")).digest()
    assert PriceBook(minimum="1.50").digest() != PriceBook(minimum="1.51").digest()
    assert len(DEFAULT_BOOK.digest()) == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_point": 0.1},
        {"per_point": "-1"},
        {"per_point": "NaN"},
        {"per_point": "Infinity"},
        {"per_point": "0.0000000001"},
        {"per_point": "1000001"},
        {"currency": "yuan"},
        {"per_tokken": "1"},
        {"models": [{"pattern": ""}]},
        {"models": [{"pattern": "*", "input_per_1k": 0.5}]},
        {"models": [{"pattern": "*", "applies": "sometimes"}]},
        {"models": [{"pattern": "*"}] * 501},
    ],
)
def test_a_wrong_book_is_refused(wrong):
    with pytest.raises(ValidationError):
        PriceBook.model_validate(wrong)


@pytest.mark.parametrize(
    ("pattern", "model", "matches"),
    [
        ("gpt-4o*", "GPT-4o-mini", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("*", "", True),
        ("通义*", "通义千问", True),
        ("[gd]*", "deepseek", True),
        ("claude-?", "claude-3", True),
    ],
)
def test_patterns_are_globs_without_regard_to_case(pattern, model, matches):
    assert ModelPrice(pattern=pattern).matches(model) is matches


def test_a_book_is_free_when_no_price_in_it_is_above_zero():
    assert PriceBook(per_point=0).is_free
    assert PriceBook(per_point=0, models=[ModelPrice(pattern="*")]).is_free
    assert not PriceBook(per_point=0, minimum=1).is_free
    rerank = ModelPrice(pattern="*", rerank_per_1k="0.1")
    assert not PriceBook(per_point=0, models=[rerank]).is_free


@pytest.mark.parametrize(
    ("value", "text"), [("1E+3", "1000"), ("0.10", "0.1"), ("-0", "0"), ("1e-9", "0.000000001")]
)
def test_plain_text_of_an_amount(value, text):
    assert plain(Decimal(value)) == text


def test_what_a_point_costs_is_told_only_where_it_is_known():
    assert "cost_per_point" not in PriceBook().document()
    known = PriceBook(cost_per_point=Decimal("0.0150"))
    assert known.document()["cost_per_point"] == "0.015"
    assert known.digest() != PriceBook().digest()
    assert PriceBook.model_validate(known.document()) == known
    assert PriceBook(per_point=Decimal(0), cost_per_point=Decimal(1)).is_free
    with pytest.raises(ValidationError):
        PriceBook(cost_per_point=Decimal(-1))
