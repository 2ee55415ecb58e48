"""Price books as text: read back what was written, and say on which line something is wrong."""

import json
from decimal import Decimal

import pytest
from app.pricing import documents
from app.pricing.book import ModelPrice, PriceBook
from app.pricing.documents import BookTextInvalid

BOOK = PriceBook(
    per_point=Decimal("1.25"),
    models=(
        ModelPrice(pattern='gpt "4"\\*\n\x7f', input_per_1k=Decimal("0.000000001")),
        ModelPrice(pattern="通义*", applies="zero_points"),
    ),
)
TOML = """\
per_point = "1.2"
per_questoin = "1"

[[models]]
pattern = "a"

[[models]]
pattern = "b"
output_per_1k = "-1"
input_per_1k = "x"
"""


def test_what_is_written_is_read_back():
    assert documents.parse(documents.write(BOOK), currency="EUR") == BOOK
    assert documents.parse(json.dumps(BOOK.document()), currency="EUR") == BOOK


def test_currency_is_the_wallets_when_none_is_named():
    assert documents.parse("per_point = 2.5", currency="EUR").currency == "EUR"


def problems(text):
    with pytest.raises(BookTextInvalid) as caught:
        documents.parse(text, currency="CNY")
    return {(one.line, one.place) for one in caught.value.problems}


def test_each_problem_has_its_line():
    assert problems(TOML) == {
        (2, "per_questoin"),
        (9, "models.1.output_per_1k"),
        (10, "models.1.input_per_1k"),
    }
    as_json = '{"per_point": "1",\n "models": [\n {"pattern": "a"},\n {"pattern": "b",\n "x": 1}]}'
    assert problems(as_json) == {(5, "models.1.x")}
    assert problems('[[models]]\ninput_per_1k = "1"') == {(1, "models.0.pattern")}


@pytest.mark.parametrize(
    ("text", "line"),
    [("per_point = \n", 1), ('{"a":\n1,,}', 2), ("\n\nx = [", 3), ('{"a": "\ud800"}', 1)],
)
def test_text_that_is_neither_toml_nor_json(text, line):
    assert {found for found, _ in problems(text)} == {line}
