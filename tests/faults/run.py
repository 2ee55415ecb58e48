"""``make faults``: run after run, each with faults of its own seed, until one finds something.

PYTHONPATH=tests python -m faults.run --minutes 30 --seed 1 --database both
"""

import argparse
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from faults import plan as plans
from faults import postgres, trial
from faults.injections import BOTH, FAULTS
from faults.plan import Plan

VIOLATION_SHOWN = 300
"""Characters; the file has them whole."""


def main() -> int:
    wanted = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaving in order ends all processes
    totals: Counter[str] = Counter()
    began = time.monotonic()
    try:
        for plan in _plans(wanted, began):
            print(f"run {totals['runs'] + 1}: {plan.replay}\n  {plan}", flush=True)
            folder = Path(tempfile.mkdtemp(prefix=f"faults-{plan.seed}-{plan.database}-"))
            outcome = trial.run(plan, folder)
            print(f"  {outcome}", flush=True)
            if wanted.verbose:
                print(f"  seconds: {outcome.took_s}\n  answers: {dict(outcome.answers)}")
                print(f"  log: {dict(outcome.loud)}", flush=True)
            _add(totals, outcome)
            if outcome.violations:
                print("\n".join(f"  ! {v[:VIOLATION_SHOWN]}" for v in outcome.violations))
                print(f"Everything is kept in {folder}. Replay it with\n  {plan.replay}")
                return 1
            if wanted.keep:
                print(f"  kept: {folder}")
            else:
                shutil.rmtree(folder)
    except KeyboardInterrupt:
        print("Stopped.")
    finally:
        postgres.remove_template()
        print(f"{time.monotonic() - began:.0f} s: {dict(sorted(totals.items()))}")
    return 0


def _plans(wanted: argparse.Namespace, began: float) -> Iterator[Plan]:
    databases = BOTH if wanted.database == "both" else (wanted.database,)
    for number in range(wanted.runs or sys.maxsize):
        if not wanted.runs and time.monotonic() - began > wanted.minutes * 60:
            return
        seed = wanted.seed + number // len(databases)
        database = databases[number % len(databases)]
        yield plans.draw(seed, database, wanted.seconds, wanted.faults, wanted.pace)


def _add(totals: Counter[str], outcome: trial.Outcome) -> None:
    totals["runs"] += 1
    for name in ("sent", "answered", "unanswered", "spooled", "only_logged", "recorded"):
        totals[f"finishes {name}"] += getattr(outcome, name)
    totals.update(f"fault {step.fault.name}" for step in outcome.plan.steps)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="begin no run after that")
    parser.add_argument("--runs", type=int, default=0, help="so many, however long they take")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the first")
    parser.add_argument("--seconds", type=float, default=15, help="of faults in each run")
    parser.add_argument("--pace", type=float, default=1, help="2: twice as fast")
    parser.add_argument("--database", choices=[*BOTH, "both"], default="both")
    parser.add_argument(
        "--faults",
        type=lambda text: tuple(text.split(",")) if text else (),
        default=(),
        metavar="NAME,…",
        help="only these: " + ", ".join(FAULTS),
    )
    parser.add_argument("--keep", action="store_true", help="the logs of good runs, too")
    parser.add_argument("--verbose", action="store_true", help="what was answered and logged")
    wanted = parser.parse_args()
    if unknown := set(wanted.faults) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    return wanted


if __name__ == "__main__":
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    sys.exit(main())
