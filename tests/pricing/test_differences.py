"""What a version changes, told as rows."""

from decimal import Decimal

from app.pricing.book import ModelPrice, PriceBook
from app.pricing.differences import Difference, compare


def rule(pattern, price, **more):
    return ModelPrice(pattern=pattern, input_per_1k=Decimal(price), **more)


def test_prices_of_the_book_and_of_models():
    before = PriceBook(models=(rule("a", "1"), rule("b", "2")))
    after = PriceBook(
        per_point=Decimal("1.5"), models=(rule("a", "3"), rule("c", "4"), rule("d", "0"))
    )
    assert compare(before, after) == [
        Difference("changed", name="per_point", before="1", after="1.5"),
        Difference("changed", "a", "always", "input_per_1k", "1", "3"),
        Difference("added", "c", "always", "input_per_1k", None, "4"),
        Difference("added", "d", "always"),
        Difference("removed", "b", "always", "input_per_1k", "2", None),
    ]


def test_order_counts_for_the_first_that_matches_wins():
    before = PriceBook(models=(rule("a", "1"), rule("*", "2")))
    after = PriceBook(models=(rule("*", "2"), rule("a", "1")))
    assert compare(before, after) == [Difference("order")]
    assert compare(before, before) == []


def test_same_pattern_twice_is_told_apart():
    before = PriceBook(models=(rule("a", "1"), rule("a", "2", applies="zero_points")))
    after = PriceBook(models=(rule("a", "1"), rule("a", "5", applies="zero_points")))
    assert compare(before, after) == [
        Difference("changed", "a", "zero_points", "input_per_1k", "2", "5")
    ]


def test_a_cost_that_is_new_differs_from_none():
    (found,) = compare(PriceBook(), PriceBook(cost_per_point=Decimal("0.5")))
    assert (found.name, found.before, found.after) == ("cost_per_point", None, "0.5")
