"""What goes into the tables of usage says the same to a price as the exact usage did."""

from decimal import Decimal

from app.metering.counting import NOISE, Line
from app.metering.rows import PER_QUESTION, LineRow, line_rows, stored_usage
from app.money import EXACT, to_nano
from hypothesis import example, given
from hypothesis import strategies as st

NANO_POINT = Decimal("1e-9")

_points = st.one_of(
    st.just(Decimal(0)),
    # Around the noise of FastGPT's sums, and finer than what is stored.
    st.integers(0, 50).map(lambda tenths: tenths * NANO_POINT / 10),
    st.decimals(min_value=0, max_value=100, places=12),
)
_lines = st.lists(
    st.builds(
        lambda points, is_covered: Line("m", "chatNode", 1, None, None, None, points, is_covered),
        _points,
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def _line(nano_points: str) -> Line:
    return Line("m", "chatNode", 1, None, None, None, Decimal(nano_points) * NANO_POINT)


def _stored(lines: list[Line]) -> list[LineRow]:
    points = to_nano(_total(lines))
    return line_rows(lines, points=points, charge=0, line_charges=[0] * len(lines))


def _total(lines: list[Line]) -> Decimal:
    total = Decimal(0)
    for line in lines:
        total = EXACT.add(total, line.points)
    return total


def _costs_nothing(line: Line) -> bool:
    return line.points <= NOISE and not line.is_covered


@given(_lines)
@example([_line("1"), _line("0.25"), _line("0.25")])  # rounding up would lift noise above noise
@example([_line("1.5"), _line("1.5"), _line("1.5")])  # and rounding down real points into it
def test_stored_lines_add_up_and_cost_nothing_where_the_exact_ones_do(lines):
    rows = _stored(lines)
    read_back = stored_usage(_total(lines), rows)
    assert sum(row.points for row in rows) == to_nano(_total(lines))
    assert all(row.points >= 0 for row in rows)
    assert [_costs_nothing(line) for line in read_back.lines] == [
        _costs_nothing(line) for line in lines
    ]


def test_ordinary_lines_keep_their_points_and_whether_they_are_covered():
    lines = [
        Line("a", "chatNode", 1, 2, 3, 4, Decimal("1.25")),
        Line("b", "tool", None, None, None, None, Decimal(0), is_covered=True),
    ]
    assert stored_usage(Decimal("1.25"), _stored(lines)).lines == tuple(lines)


def test_price_of_a_question_is_no_usage():
    (row,) = line_rows([], points=0, charge=7, line_charges=[])
    assert row.node_kind == PER_QUESTION
    assert stored_usage(Decimal(0), [row]).lines == ()


def test_a_node_kind_of_that_name_that_used_something_is_usage():
    tokens = Line("", PER_QUESTION, 5, None, None, None, Decimal(0))
    points = Line("", PER_QUESTION, None, None, None, None, Decimal("1e-12"))
    for line in (tokens, points):
        assert len(stored_usage(line.points, _stored([line])).lines) == 1
