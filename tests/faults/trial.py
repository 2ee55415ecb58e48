"""One run: start everything, load it, break it by plan, heal it, and check what is left."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.session import Desk
from app.cli.simulation_stage import Stage

from faults import checks, processes
from faults.cluster import TICKET_TTL_S, Cluster
from faults.load import Load
from faults.plan import Plan, Step

RECOVERY_S = 90
DRAIN_S = 300
RESTART_MAX_S = 10
"""So long a step waits for the service; it may be unable to start because of another fault."""


@dataclass(slots=True)
class Outcome:
    """What a run has shown; it is good when nothing was violated."""

    plan: Plan
    violations: list[str] = field(default_factory=list)
    sent: int = 0
    answered: int = 0
    unanswered: int = 0
    only_logged: int = 0
    spooled: int = 0
    recorded: int = 0
    loud: Counter[str] = field(default_factory=Counter)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    took_s: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.took_s[phase] = round(time.monotonic() - began, 1)

    def __str__(self) -> str:
        names = Counter(step.fault.name for step in self.plan.steps)
        faults = ", ".join(name if n == 1 else f"{n} {name}" for name, n in sorted(names.items()))
        result = f"{len(self.violations)} VIOLATIONS" if self.violations else "ok"
        return (
            f"seed {self.plan.seed} {self.plan.database}: {result}; finishes {self.sent} sent, "
            f"{self.answered} answered, {self.spooled} spooled, {self.only_logged} only logged, "
            f"{self.unanswered} unanswered, {self.recorded} recorded; {faults}"
        )


def run(plan: Plan, folder: Path) -> Outcome:
    """Play the plan on an installation of its own; ``folder`` keeps its log.

    Nothing is left running or mounted, whatever happens.
    """
    outcome = Outcome(plan)
    (folder / "plan.txt").write_text(f"{plan.replay}\n" + "".join(f"{s}\n" for s in plan.steps))
    with outcome.timed("building"):
        cluster = Cluster(folder, plan.database)
    try:
        with outcome.timed("start"), contextlib.ExitStack() as stack:
            cluster.start()
            stage = cluster.build_stage(stack.enter_context(cluster.desk()))
        load = Load(stage.root_url(cluster.url), stage.visitors, stage.rates, plan.seed)
        load.start()
        try:
            with outcome.timed("faults"):
                _break(cluster, plan)
        finally:
            with outcome.timed("end of load"):
                load.stop()
        _judge(cluster, stage, load, outcome)
        load.close()
    except TimeoutError as late:
        outcome.violations.append(str(late))
    finally:
        with outcome.timed("close"):
            cluster.close(keep=bool(outcome.violations))
    if outcome.violations:
        (folder / "violations.txt").write_text("\n".join(outcome.violations) + "\n")
    return outcome


def _break(cluster: Cluster, plan: Plan) -> None:
    """Every step in its time, each in a thread of its own; returns when all of them are over.

    Most wait for a service that a step before has ended: there is little to break in it.
    """
    began = time.monotonic()
    failures: list[BaseException] = []
    mending = {step.fault.target: threading.Lock() for step in plan.steps}

    def play(step: Step) -> None:
        try:
            with mending[step.fault.target]:  # what an earlier one broke is whole again
                heal = step.fault.inject(cluster, random.Random(step.salt))
                time.sleep(step.lasts_s)
                heal()
        except Exception as problem:  # noqa: BLE001 - raised when all have ended
            failures.append(problem)

    threads = []
    try:
        for step in plan.steps:
            time.sleep(max(0, began + step.at_s - time.monotonic()))
            if not step.strikes_anyway:
                began += cluster.wait_until_it_answers(RESTART_MAX_S)
            threads.append(threading.Thread(target=play, args=(step,)))
            threads[-1].start()
        time.sleep(max(0, began + plan.seconds - time.monotonic()))
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def _judge(cluster: Cluster, stage: Stage, load: Load, outcome: Outcome) -> None:
    with outcome.timed("recovery"):
        cluster.wait_until_ready()
        _recover(load, outcome)
    with outcome.timed("drain"):
        _settle(cluster, outcome)
    with outcome.timed("checks"), cluster.desk() as desk:
        booked = checks.read_books(desk)
        outcome.recorded = sum(map(len, booked.values()))
        _count(load, cluster.log(), outcome)
        outcome.violations += load.violations[: checks.SHOWN_MAX]
        outcome.violations += checks.shown(checks.finishes(load.finishes, booked))
        outcome.violations += checks.shown(checks.wallets(desk, stage, booked))
        outcome.violations += checks.shown(checks.ledger(cluster))
        outcome.violations += _tickets_that_stay(desk, stage)
    codes = cluster.unexpected_ends
    outcome.violations += [f"the service ended by itself, exit code {code}" for code in codes]
    with outcome.timed("stop"):
        exit_code, left = cluster.stop_service()
    outcome.violations += [f"exit code {exit_code} of an orderly stop"] * (exit_code != 0)
    outcome.violations += [f"left running: {process}" for process in left]
    outcome.violations += checks.shown(checks.log(cluster.log(), stage))


def _recover(load: Load, outcome: Outcome) -> None:
    """Every visitor can ask and is charged again, without anybody's help."""
    deadline = time.monotonic() + RECOVERY_S
    while refused := load.ask_all():
        if time.monotonic() > deadline:
            outcome.violations.append(f"not well {RECOVERY_S} s after the last fault: {refused}")
            return
        time.sleep(0.5)


def _settle(cluster: Cluster, outcome: Outcome) -> None:
    """Drain the spool, and import what only the log has: twice, for that must be safe."""
    _drain(cluster)
    if "sealed-finish:" not in cluster.log():
        return
    for _ in range(2):
        copy = cluster.folder / "import.log"
        copy.write_text(cluster.log())
        imported = cluster.cli("spool", "import", str(copy))
        outcome.only_logged = len(imported["imported"])
        outcome.violations += [f"spool import: {problem}" for problem in imported["problems"]]
        _drain(cluster)


def _drain(cluster: Cluster) -> None:
    """Wait until nothing waits, looking at the files; then have the service's own word for it."""
    processes.wait_for(cluster.spool_is_empty, "the spool is drained", DRAIN_S)
    processes.wait_for(
        lambda: cluster.cli("spool", "status")["records"] == 0, "`spool status` says so"
    )


def _tickets_that_stay(desk: Desk, stage: Stage) -> list[str]:
    deadline = time.monotonic() + TICKET_TTL_S + RECOVERY_S
    while still := list(checks.open_tickets(desk, stage)):
        if time.monotonic() > deadline:
            return still
        time.sleep(0.5)
    return []


def _count(load: Load, log: str, outcome: Outcome) -> None:
    outcome.sent = len(load.finishes)
    outcome.answered = sum(finish.is_answered for finish in load.finishes)
    outcome.unanswered = outcome.sent - outcome.answered
    outcome.spooled = log.count('"finish.spooled"')
    outcome.loud = checks.loud(log)
    outcome.answers = load.answers
