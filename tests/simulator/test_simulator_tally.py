from decimal import Decimal

import pytest
from app.simulator.contract import Answer, no_answer
from app.simulator.payloads import Payload, Rates
from app.simulator.tally import SAMPLES_MAX, Tally, nearest_rank


@pytest.fixture
def tally() -> Tally:
    return Tally(Rates())


@pytest.mark.parametrize(
    ("share", "value"), [(50.0, 50.0), (95.0, 95.0), (99.0, 99.0), (99.9, 100.0), (0.1, 1.0)]
)
def test_percentile_is_the_nearest_rank(share, value):
    assert nearest_rank([float(n) for n in range(1, 101)], share) == value


def test_latency_is_in_milliseconds_and_none_without_calls(tally):
    tally.answered("init", 0.25, Answer(True, "u"), "")
    assert tally.latency("init").longest == 250
    assert tally.latency("init").count == 1
    assert tally.latency("start") is None


def test_refusals_are_counted_by_hook_and_code(tally):
    for _ in range(2):
        tally.answered("start", 0.1, Answer(False, code="visitor_rate"), "")
    assert tally.refusals == {("start", "visitor_rate"): 2}
    assert not tally.violations


def test_samples_of_broken_answers_are_bounded(tally):
    for number in range(SAMPLES_MAX + 5):
        tally.answered("init", 0.1, no_answer(), f"refused {number}")
    assert tally.violations["init", "no_answer"] == SAMPLES_MAX + 5
    assert len(tally.samples) == SAMPLES_MAX
    assert "refused 0" in tally.samples[0]


def test_blank_finishes_may_stand_for_one_question_or_many(tally):
    blank = Payload("G4", "empty", {"responseData": []}, Decimal(0), "points")
    full = Payload("G4", "chat", {"responseData": [{"id": "x"}]}, Decimal("1.5"), "points")
    for payload in (blank, blank, blank, full):
        tally.sent("anna", payload)
    due = tally.due["anna"]
    assert due.points == 1_500_000_000
    assert (due.questions_min, due.questions_max) == (2, 4)
