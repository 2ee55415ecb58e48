import json
from decimal import Decimal
from pathlib import Path

import pytest
from app.errors import Invalid
from app.metering.body import parse_finish
from app.metering.counting import Line, Usage, count
from app.metering.rows import in_points, line_rows, stored_usage
from app.money import NANO, to_nano
from app.pricing.book import DEFAULT_BOOK, ModelPrice, PriceBook
from app.pricing.preview import Sample, preview
from app.pricing.rating import is_free, rate
from hypothesis import given
from hypothesis import strategies as st

from metering.trees import trees

DATA = Path(__file__).parent.parent / "data" / "response_data"
ONE = Decimal(1)


def _line(points="0", model="gpt-4o", *, tokens=(None, None, None, None), is_covered=False) -> Line:
    return Line(model, "chatNode", *tokens, points=Decimal(points), is_covered=is_covered)


def _usage(*lines: Line) -> Usage:
    total = sum((line.points for line in lines), Decimal(0))
    return Usage("G4", "points", total, lines, None, None, len(lines), None, {})


def _rate(*lines: Line, book=DEFAULT_BOOK, link="1", plan="1", used=0):
    return rate(
        _usage(*lines),
        book=book,
        link_multiplier=Decimal(link),
        plan_multiplier=Decimal(plan),
        allowance_used=used,
    )


def _payload(name: str) -> Usage:
    body = parse_finish((DATA / f"{name}.json").read_bytes())
    counted = count(body.nodes, regime="auto", points_per_node_max=Decimal(10**6))
    return in_points(counted, points_per_price_unit=Decimal("0.00001"))


def test_by_the_default_book_a_point_is_one_unit():
    charge = _rate(_line("13.761400000000002"))
    assert charge.total == 13_761_400_000
    assert charge.line_charges == (13_761_400_000,)


def test_rounding_happens_once_half_up_on_the_total():
    assert _rate(_line("0.0000000005")).total == 1
    assert _rate(_line("0.0000000004"), _line("0.0000000004")).total == 1
    assert _rate(*[_line("0.0000000001")] * 4).total == 0


def test_multipliers_of_link_and_plan_are_both_applied():
    assert _rate(_line("2"), link="1.5", plan="0.5").total == to_nano(Decimal("1.5"))


@pytest.mark.parametrize(("link", "plan"), [("0", "1"), ("1", "0"), ("0", "0")])
def test_a_multiplier_of_zero_is_free_whatever_the_minimum(link, plan):
    book = PriceBook(minimum=5, per_question=1)
    assert _rate(_line("2"), book=book, link=link, plan=plan).total == 0
    assert is_free(book, Decimal(link), Decimal(plan))


def test_tokens_are_priced_by_the_first_rule_that_fits():
    book = PriceBook(
        per_point=0,
        models=[
            ModelPrice(pattern="gpt-4o-mini", input_per_1k=1),
            ModelPrice(pattern="GPT-4o*", input_per_1k=10, output_per_1k=30),
            ModelPrice(pattern="*", input_per_1k=100, embedding_per_1k=2, rerank_per_1k=3),
        ],
    )
    assert _rate(_line(model="gpt-4o-mini", tokens=(500, 500, None, None)), book=book).total == (
        NANO // 2
    )
    assert _rate(_line(tokens=(500, 500, None, None)), book=book).total == 20 * NANO
    assert _rate(_line(model="bge", tokens=(None, None, 500, 1000)), book=book).total == 4 * NANO


def test_points_and_tokens_add_up():
    book = PriceBook(per_point=2, models=[ModelPrice(pattern="*", input_per_1k=1)])
    assert _rate(_line("3", tokens=(1000, 0, None, None)), book=book).total == 7 * NANO


OWN_KEY = PriceBook(
    models=[ModelPrice(pattern="*", applies="zero_points", input_per_1k=1, output_per_1k=2)]
)


def test_a_chat_on_the_teams_own_key_is_priced_by_tokens():
    charge = rate(
        _payload("2025-own-key-zero-points"),
        book=OWN_KEY,
        link_multiplier=ONE,
        plan_multiplier=ONE,
        allowance_used=0,
    )
    tokens = Decimal("4.096") + Decimal("1.024")
    assert charge.total == to_nano(tokens + Decimal("0.0021000000000000003"))


def test_prices_for_zero_points_leave_what_fastgpt_charged_alone():
    assert _rate(_line("1", tokens=(1000, 0, None, None)), book=OWN_KEY).total == NANO
    assert _rate(_line("0", tokens=(1000, 0, None, None)), book=OWN_KEY).total == NANO
    noise = _line("0.00000000000000005", tokens=(1000, 0, None, None))
    assert _rate(noise, book=OWN_KEY).total == NANO


@pytest.mark.parametrize("name", ["2025-dataset-rerank-extension", "2025-plugin-flat-fee"])
def test_models_whose_cost_stands_on_another_line_are_not_charged_again(name):
    usage = _payload(name)
    charge = rate(usage, book=OWN_KEY, link_multiplier=ONE, plan_multiplier=ONE, allowance_used=0)
    assert charge.total == to_nano(usage.total)
    assert charge.unpriced == ()


def test_a_question_costs_its_price_beside_the_usage():
    book = PriceBook(per_question="0.5")
    assert _rate(_line("1"), book=book, link="2").total == 3 * NANO


def test_an_answer_without_any_use_is_free_unless_stated():
    book = PriceBook(per_question=1, minimum=5)
    assert _rate(book=book).total == 0
    charged = book.model_copy(update={"zero_usage": "charged"})
    charge = _rate(book=charged)
    assert charge.total == 5 * NANO
    assert charge.line_charges == ()
    assert _rate(book=charged.model_copy(update={"minimum": Decimal(0)})).total == NANO


def test_the_minimum_lifts_small_charges_only():
    book = PriceBook(minimum=5)
    assert _rate(_line("1"), _line("1"), book=book).total == 5 * NANO
    assert _rate(_line("5"), book=book).total == 5 * NANO
    assert _rate(_line("6"), book=book).total == 6 * NANO
    assert _rate(_line("0", tokens=(1, 1, None, None)), book=book).line_charges == (5 * NANO,)


@pytest.mark.parametrize(
    ("used", "total", "taken"),
    [(0, 0, 3), (7, 0, 3), (8, 1, 2), (9, 2, 1), (10, 3, 0), (11, 3, 0)],
)
def test_the_allowance_pays_until_it_is_used_up(used, total, taken):
    book = PriceBook(monthly_allowance=10)
    charge = _rate(_line("3"), book=book, used=used * NANO)
    assert charge.total == total * NANO
    assert charge.allowance_taken == taken * NANO
    assert charge.allowance_used_now == (used + taken) * NANO


def test_the_allowance_also_pays_a_minimum():
    book = PriceBook(monthly_allowance=2, minimum=5)
    assert _rate(_line("1"), book=book).total == 3 * NANO


def test_models_without_a_price_are_listed():
    free = _line("0", "mine", tokens=(5, 5, None, None))
    assert _rate(free, _line("1"), free).unpriced == ("mine",)
    assert _rate(_line("0", is_covered=True)).unpriced == ()
    zero = PriceBook(models=[ModelPrice(pattern="*")])
    assert _rate(free, book=zero).unpriced == ()


def test_the_arithmetic_can_be_followed():
    book = PriceBook(
        per_point=2,
        per_question="0.1",
        minimum="0.2",
        monthly_allowance=1,
        models=[ModelPrice(pattern="gpt*", input_per_1k="0.5", output_per_1k="1")],
    )
    lines = [_line("1.5", tokens=(1000, 100, None, None)), _line("0", tokens=(1000, 0, None, None))]
    charge = _rate(*lines, book=book, link="2", plan="0.5", used=NANO // 4)
    assert charge.arithmetic == {
        "currency": "CNY",
        "points": "1.5",
        "per_point": "2",
        "points_amount": "3",
        "tokens": [
            {
                "pattern": "gpt*",
                "applies": "always",
                "models": ["gpt-4o"],
                "input_tokens": 2000,
                "input_per_1k": "0.5",
                "output_tokens": 100,
                "output_per_1k": "1",
                "amount": "1.1",
            }
        ],
        "per_question": "0.1",
        "subtotal": "4.2",
        "link_multiplier": "2",
        "plan_multiplier": "0.5",
        "multiplied": "4.2",
        "minimum": "0.2",
        "rounded": "4.2",
        "allowance_left": "0.75",
        "allowance_taken": "0.75",
        "charge": "3.45",
        "unpriced": [],
    }
    assert json.loads(json.dumps(charge.arithmetic)) == charge.arithmetic


def test_2023_prices_are_rated_only_once_converted():
    usage = _payload("2023-price")
    charge = rate(
        usage, book=DEFAULT_BOOK, link_multiplier=ONE, plan_multiplier=ONE, allowance_used=0
    )
    assert charge.total == to_nano(Decimal("0.027659000000000000001"))
    body = parse_finish((DATA / "2023-price.json").read_bytes())
    raw = count(body.nodes, regime="auto", points_per_node_max=Decimal(10**6))
    with pytest.raises(Invalid):
        rate(raw, book=DEFAULT_BOOK, link_multiplier=ONE, plan_multiplier=ONE, allowance_used=0)


def test_a_charge_the_ledger_cannot_hold_is_refused():
    with pytest.raises(Invalid) as refused:
        _rate(_line("1000000000"), book=PriceBook(per_point=100))
    assert refused.value.code == "amount_out_of_range"


def test_a_preview_is_the_charge_of_one_call():
    book = PriceBook(models=[ModelPrice(pattern="*", input_per_1k=1, output_per_1k=2)])
    sample = Sample(model="m", points=Decimal(3), input_tokens=1000, output_tokens=500)
    assert preview([sample], book=book).total == 5 * NANO
    assert preview([sample], book=book, plan_multiplier=Decimal(2)).total == 10 * NANO


_amounts = st.decimals(min_value=0, max_value=1000, places=9)
_books = st.builds(
    PriceBook,
    per_point=_amounts,
    per_question=_amounts,
    minimum=_amounts,
    zero_usage=st.sampled_from(["free", "charged"]),
    monthly_allowance=_amounts,
    models=st.lists(
        st.builds(
            ModelPrice,
            pattern=st.sampled_from(["*", "gpt*", "qwen-max", "bge*"]),
            applies=st.sampled_from(["always", "zero_points"]),
            input_per_1k=_amounts,
            output_per_1k=_amounts,
            embedding_per_1k=_amounts,
            rerank_per_1k=_amounts,
        ),
        max_size=3,
    ),
)
_multipliers = st.decimals(min_value=0, max_value=10, places=9)


def _counted(tree) -> Usage:
    body = parse_finish(tree.body())
    counted = count(body.nodes, regime="auto", points_per_node_max=Decimal(10**6))
    return in_points(counted, points_per_price_unit=Decimal("0.00001"))


@given(trees(), _books, _multipliers, _multipliers, st.integers(0, 10**12))
def test_charges_are_never_negative_and_their_lines_add_up(tree, book, link, plan, used):
    usage = _counted(tree)
    charge = rate(usage, book=book, link_multiplier=link, plan_multiplier=plan, allowance_used=used)
    assert charge.total >= 0
    assert charge.allowance_taken >= 0
    assert all(part >= 0 for part in charge.line_charges)
    assert len(charge.line_charges) == len(usage.lines)
    if usage.lines:
        assert sum(charge.line_charges) == charge.total
    assert charge.allowance_used_now <= max(used, to_nano(book.monthly_allowance))
    json.dumps(charge.arithmetic)


@given(trees(), _books, _multipliers, st.integers(0, 10**12))
def test_rows_read_back_cost_what_the_usage_cost(tree, book, link, used):
    usage = _counted(tree)
    prices = {"book": book, "link_multiplier": link, "plan_multiplier": ONE, "allowance_used": used}
    charge = rate(usage, **prices)
    rows = line_rows(
        usage.lines,
        points=to_nano(usage.total),
        charge=charge.total,
        line_charges=charge.line_charges,
    )
    total = Decimal(str(charge.arithmetic["points"]))
    again = rate(stored_usage(total, rows), **prices)
    assert again.total == charge.total
    assert again.arithmetic == charge.arithmetic


@given(trees("G4"), trees("G4"), _books, _multipliers)
def test_rating_is_additive_without_per_answer_prices(one, two, book, link):
    per_use = book.model_copy(
        update={
            "per_question": Decimal(0),
            "minimum": Decimal(0),
            "monthly_allowance": Decimal(0),
        }
    )
    first, second = _counted(one), _counted(two)
    together = _usage(*first.lines, *second.lines)

    def total(usage: Usage) -> int:
        return rate(
            usage, book=per_use, link_multiplier=link, plan_multiplier=ONE, allowance_used=0
        ).total

    assert abs(total(together) - total(first) - total(second)) <= 1


@given(trees("G3", "G4", "G5-exclusive"))
def test_the_default_book_charges_the_points(tree):
    usage = _counted(tree)
    charge = rate(
        usage, book=DEFAULT_BOOK, link_multiplier=ONE, plan_multiplier=ONE, allowance_used=0
    )
    assert charge.total == to_nano(usage.total)
