"""A whole run: so many chats at such a concurrency, and whether the ledger agrees in the end."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from app.errors import Unavailable
from app.simulator import chats
from app.simulator.books import Booked, Difference, ReadLedger, compare
from app.simulator.chats import Habits
from app.simulator.fastgpt import TIMEOUT_S, FastGPT, Visitor
from app.simulator.payloads import Rates
from app.simulator.tally import Due, Tally

LEDGER_PATIENCE_S = 15.0
"""How long finishes that were answered may take to arrive in the ledger."""
_GLANCE_S = 0.1
_LEDGER_GLANCE_S = 0.5


class NothingThere(Unavailable):
    """No server answers at the root URL."""

    code = "simulator_no_server"


@dataclass(frozen=True, slots=True)
class Options:
    """One run; ``rate`` is how many chats may begin in a second, None for as many as can."""

    chats: int
    concurrency: int
    seed: int
    habits: Habits = field(default_factory=Habits)
    rate: float | None = None
    rates: Rates = field(default_factory=Rates)
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has shown. ``differences`` is None when the ledger could not be read."""

    tally: Tally
    elapsed_s: float
    was_stopped: bool
    differences: tuple[Difference, ...] | None
    booked: Mapping[str, Booked]

    @property
    def is_contract_kept(self) -> bool:
        return not self.tally.violations

    @property
    def is_ledger_equal(self) -> bool | None:
        return None if self.differences is None else not self.differences

    @property
    def has_asked(self) -> bool:
        """Whether any question was admitted; a run of refusals proves nothing."""
        return self.tally.events["questions_admitted"] > 0

    @property
    def is_good(self) -> bool:
        return self.is_contract_kept and self.is_ledger_equal is not False and self.has_asked


def run(
    options: Options,
    root_url: str,
    visitors: Sequence[Visitor],
    *,
    read_ledger: ReadLedger | None = None,
    observe: Callable[[Tally], None] = lambda _: None,
    ledger_patience_s: float = LEDGER_PATIENCE_S,
) -> Result:
    """Play all chats, wait for every finish, compare with the ledger.

    ``visitors`` must be new to the ledger. ``observe`` is called about ten times a second. An
    interrupt (Ctrl-C) begins no more chats and still settles and checks those that were begun.

    Raises:
        NothingThere: no server answers at ``root_url``.
    """
    tally = Tally(options.rates)
    begun = time.perf_counter()
    with (
        ThreadPoolExecutor(options.concurrency, "courier") as couriers,
        ThreadPoolExecutor(options.concurrency, "tab") as tabs,
        FastGPT(
            root_url,
            visitors,
            tally=tally,
            tabs=tabs,
            couriers=couriers,
            connections=3 * options.concurrency,
            timeout_s=options.timeout_s,
        ) as fastgpt,
    ):
        if not fastgpt.is_there():
            raise NothingThere(f"nothing answers at {root_url}: start it, or check the address")
        _play(fastgpt, options, len(visitors), lambda: observe(tally))
        fastgpt.deliver_all()
    elapsed_s = time.perf_counter() - begun
    observe(tally)
    differences, booked = _check(tally.due, visitors, read_ledger, ledger_patience_s)
    return Result(tally, elapsed_s, fastgpt.is_stopping, differences, booked)


def _play(
    fastgpt: FastGPT, options: Options, visitor_count: int, glance: Callable[[], None]
) -> None:
    numbers = _Numbers(options)

    def work() -> None:
        while not fastgpt.is_stopping and (number := numbers.take()) is not None:
            fastgpt.hold(chats.plan(options.seed, number, visitor_count, options.habits))

    with ThreadPoolExecutor(options.concurrency, "chat") as pool:
        workers = [pool.submit(work) for _ in range(options.concurrency)]
        _watch(fastgpt, workers, glance)
    for worker in workers:
        worker.result()


def _watch(fastgpt: FastGPT, workers: list[Future[None]], glance: Callable[[], None]) -> None:
    pending = set(workers)
    while pending:
        try:
            done, pending = wait(pending, timeout=_GLANCE_S)
            glance()
        except KeyboardInterrupt:
            if fastgpt.is_stopping:
                raise
            fastgpt.stop()
            continue
        if any(worker.exception() for worker in done):
            fastgpt.stop()  # a fault in the simulator itself: raised when all have ended


class _Numbers:
    """Hands out the numbers of chats, each once and, when there is a rate, not before its time."""

    def __init__(self, options: Options) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.islice(itertools.count(), options.chats)
        self._interval_s = 1 / options.rate if options.rate else 0
        self._begun = time.perf_counter()

    def take(self) -> int | None:
        with self._lock:
            number = next(self._numbers, None)
        if number is not None and self._interval_s:
            due_in = self._begun + number * self._interval_s - time.perf_counter()
            time.sleep(max(due_in, 0))
        return number


def _check(
    due: Mapping[str, Due],
    visitors: Sequence[Visitor],
    read_ledger: ReadLedger | None,
    patience_s: float,
) -> tuple[tuple[Difference, ...] | None, Mapping[str, Booked]]:
    """Compare until the ledger agrees or patience ends: a finish may be waiting in the spool."""
    if read_ledger is None:
        return None, {}
    subjects = [visitor.subject for visitor in visitors]
    deadline = time.perf_counter() + patience_s
    while True:
        booked = read_ledger(subjects)
        differences = compare(due, booked)
        if not differences or time.perf_counter() >= deadline:
            return tuple(differences), booked
        time.sleep(_LEDGER_GLANCE_S)
