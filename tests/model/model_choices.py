"""What the runs draw from: names, limits, prices, and answers with what they are worth."""

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

USERS, GUESTS, LINKS = ("ann", "bob"), ("guest1", "guest2"), ("red", "blue")
PEOPLE = (*USERS, *GUESTS)
PLANS = ("default", "gold", "guest")
NOBODY = "shareChat-nobody"


def some_of(**choices: list) -> st.SearchStrategy[dict]:
    """Any of these limits, each one of its values; most are left out."""
    rarely = {
        name: st.none() | st.none() | st.none() | st.sampled_from(of)
        for name, of in choices.items()
    }
    return st.fixed_dictionaries(rarely).map(
        lambda given: {name: value for name, value in given.items() if value is not None}
    )


RATE = {"questions_per_minute": [7, 2, 1, 0, -1], "burst": [2, 1, 0]}
POINTS = ["0.3", "0.05", "1", "2.5", "0", "-1"]
DAY = {"questions_per_day": [3, 1, 0, -1], "points_per_day": POINTS}
OPEN = {"open_questions": [3, 2, 1, 0, -1]}
VISITOR_LIMITS = some_of(**RATE, **DAY, **OPEN, points_per_month=POINTS)
GUEST_LIMITS = some_of(**RATE, **DAY, **OPEN)
LINK_LIMITS = some_of(**RATE, **OPEN, points_per_month=POINTS, points_total=POINTS)
MULTIPLIERS = st.sampled_from(["1", "1", "0", "0.5", "1.333333333"])
CREDITS = st.sampled_from([None, "1.5", "0"])
PRICES = st.sampled_from(["0", "1", "0.1", "0.333333333"])
BOOKS = st.fixed_dictionaries(
    {"per_point": PRICES},
    optional={
        "per_question": PRICES,
        "minimum": st.sampled_from(["0.02", "0.5"]),
        "zero_usage": st.just("charged"),
        "monthly_allowance": st.sampled_from(["0.7", "3"]),
    },
)
KEYS = st.sampled_from([f"key {n}" for n in range(6)])


@dataclass(frozen=True)
class Answer:
    """What one answer used: as FastGPT writes it, and what that is worth."""

    nodes: str
    points: Fraction
    has_ids: bool = True
    has_lines: bool = True

    def body(self, token: str) -> bytes:
        return f'{{"token":"{token}","appName":"a","responseData":[{self.nodes}]}}'.encode()


def node(figures: str, run: int | None) -> str:
    name = "" if run is None else f'"id":"run{run}",'
    return (
        f'{{{name}"nodeId":"n","moduleType":"chatNode","model":"gpt-4o",'
        f'"inputTokens":10,"outputTokens":5,{figures}}}'
    )


@st.composite
def _answers(draw: st.DrawFn) -> Answer:
    run = draw(st.none() | st.integers(0, 99))
    points = draw(st.sampled_from(["0.02", "0.1", "0.30000000000000004", "0.7", "1.25", "4e-10"]))
    plain = Answer(node(f'"totalPoints":{points}', run), Fraction(points), run is not None)
    odd = {
        "nothing": Answer("", Fraction(0), has_ids=False, has_lines=False),
        "null": Answer(node('"totalPoints":null', run), Fraction(0), run is not None),
        "negative": Answer(node('"totalPoints":-3', run), Fraction(0), run is not None),
        "absurd": Answer(node('"totalPoints":2e6', run), Fraction(0), run is not None),
        "fine": Answer(node('"totalPoints":5.0e-10', run), Fraction("5e-10"), run is not None),
        "2023": Answer(node('"price":12345', None), Fraction("0.12345"), has_ids=False),
        "two": Answer(
            node('"totalPoints":0.1', 1) + "," + node('"totalPoints":0.2', run), Fraction("0.3")
        ),
    }
    return draw(st.just(plain) | st.sampled_from(list(odd.values())))


ANSWERS = _answers()
