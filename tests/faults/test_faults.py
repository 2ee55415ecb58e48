"""A short run of all faults on each database; ``make faults`` goes on for as long as it is told."""

from pathlib import Path

import pytest

from faults import plan, postgres, trial
from faults.injections import FAULTS

# Each start takes seconds: one way of ending the whole service is enough here, two there.
LEFT_OUT = {"sqlite": {"parent_killed", "restarted"}, "postgresql": {"everything_killed"}}
SECONDS = {"sqlite": 6, "postgresql": 9}


def short(database):
    names = [name for name in FAULTS if name not in LEFT_OUT[database]]
    return plan.draw(2, database, SECONDS[database], names, pace=4)


@pytest.fixture(scope="module", autouse=True)
def _template():
    yield
    postgres.remove_template()


@pytest.mark.slow
@pytest.mark.parametrize("database", SECONDS)
def test_whatever_breaks_every_answered_finish_is_charged_exactly_once(database, tmp_path):
    outcome = trial.run(short(database), tmp_path)
    explained = f"{outcome}\nall is in {tmp_path}\nreplay: {outcome.plan.replay}"
    assert outcome.violations == [], explained
    assert outcome.answered > 0
    assert outcome.recorded >= outcome.answered


def test_short_runs_use_every_fault():
    used = {step.fault.name for database in SECONDS for step in short(database).steps}
    assert used == set(FAULTS)


def test_plan_is_drawn_again_from_its_seed_and_spares_no_overlap_but_of_one_target():
    first, again, other = (plan.draw(seed, "postgresql", 60) for seed in (7, 7, 8))
    assert first == again
    assert first.steps != other.steps
    assert {step.fault.name for step in first.steps} <= set(FAULTS)
    for target in {step.fault.target for step in first.steps}:
        steps = [step for step in first.steps if step.fault.target == target]
        ends = [step.at_s + step.lasts_s for step in steps]
        assert all(end <= after.at_s for end, after in zip(ends, steps[1:], strict=False))


def test_every_fault_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
    assert [name for name in FAULTS if f"`{name}`" not in text] == []
