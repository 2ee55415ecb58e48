"""Finishes committed together: one transaction for those who wait, every answer to its own."""

import contextlib
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
import sqlalchemy as sa
from app.db import Database, DatabaseAway, DatabaseBusy
from app.errors import NotFound
from app.ledger.writer import lock_wallet
from app.turns import group_commit
from app.turns.group_commit import Committer, Overdue
from app.turns.settle import Recorded, Turn

from books import NANO
from turn_builders import RULES, Stage

PATIENCE_S = 60


class Halting:
    """A database whose first transaction of a committer waits until it is let go."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.threads: list[int] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.instead: Callable[[int], None] = lambda _number: None
        """Called with the number of the transaction, from 1, before it begins."""

    def run(self, work, **bounds):
        self.threads.append(threading.get_ident())
        number = len(self.threads)
        if number == 1:
            self.entered.set()
            assert self.go_on.wait(PATIENCE_S)
        self.instead(number)
        return self.db.run(work, **bounds)


class Crowd:
    """A committer that is busy with a first turn while others arrive, in their order."""

    def __init__(self, stage: Stage, pool: ThreadPoolExecutor, **bounds) -> None:
        self.halting = Halting(stage.db)
        self.committer = Committer(db=self.halting, rules=RULES, **bounds)
        self._pool = pool
        self.first = pool.submit(self.committer.settle, stage.turn("first"))
        assert self.halting.entered.wait(PATIENCE_S)

    def queue(self, *turns: Turn, **bounds) -> list[Future[Recorded]]:
        futures = []
        for turn in turns:
            waiting = len(self.committer._queue)
            futures.append(self._pool.submit(self.committer.settle, turn, **bounds))
            wait_until(lambda waiting=waiting: len(self.committer._queue) == waiting + 1)
        return futures

    def let_go(self) -> None:
        self.halting.go_on.set()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def results(futures: list[Future]) -> list:
    return [future.result(PATIENCE_S) for future in futures]


@contextlib.contextmanager
def commits(db: Database) -> Iterator[list[int]]:
    made: list[int] = []

    def note(connection: object) -> None:
        made.append(1)

    sa.event.listen(db.engine, "commit", note)
    yield made
    sa.event.remove(db.engine, "commit", note)


@pytest.fixture
def stage(db: Database, now) -> Stage:
    return Stage(db, now)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def test_lone_finish_is_committed_at_once_by_its_own_thread(stage):
    halting = Halting(stage.db)
    halting.go_on.set()
    committer = Committer(db=halting, rules=RULES)
    for name in "ab":
        assert committer.settle(stage.turn(name)).reference == name
    assert halting.threads == [threading.get_ident()] * 2
    assert stage.balance() == (-2 * NANO, 2)


def test_those_that_arrive_during_a_commit_are_committed_together_in_the_next(stage, pool):
    with commits(stage.db) as made:
        crowd = Crowd(stage, pool)
        waiting = crowd.queue(*(stage.turn(f"t{n}", n % 3) for n in range(9)))
        crowd.let_go()
        recorded = results(waiting)
    assert crowd.first.result().reference == "first"
    assert len(made) == 2
    assert [one.reference for one in recorded] == [f"t{n}" for n in range(9)]
    assert [one.version for one in recorded] == [2, 1, 1, 3, 2, 2, 4, 3, 3]
    assert stage.findings() == []


def test_batch_is_bounded_and_those_who_came_first_go_first(stage, pool, monkeypatch):
    sizes: list[list[str]] = []
    real = group_commit.settle_turns

    def noted(session, turns, rules):
        sizes.append([turn.reference for turn in turns])
        return real(session, turns, rules)

    monkeypatch.setattr(group_commit, "settle_turns", noted)
    crowd = Crowd(stage, pool, batch_turns_max=3)
    waiting = crowd.queue(*(stage.turn(f"t{n}") for n in range(8)))
    crowd.let_go()
    results(waiting)
    assert sizes == [["t0", "t1", "t2"], ["t3", "t4", "t5"], ["t6", "t7"]]
    assert len(set(crowd.halting.threads)) == 4  # nobody serves the others for ever


def test_same_finish_twice_in_one_batch_is_charged_once(stage, pool):
    crowd = Crowd(stage, pool)
    waiting = crowd.queue(stage.turn("a"), replace(stage.turn("a"), reference="twin"))
    crowd.let_go()
    one, twin = results(waiting)
    assert (one.is_replay, twin.is_replay, twin.reference) == (False, True, "a")
    assert stage.balance() == (-2 * NANO, 2)


def test_poisonous_turn_fails_alone(stage, pool):
    crowd = Crowd(stage, pool)
    good, stranger, doubled, also_good = crowd.queue(
        stage.turn("good"),
        stage.turn("stranger", user=4711),
        replace(stage.turn("doubled", user=1), reference="first"),
        stage.turn("also good", user=2),
    )
    crowd.let_go()
    assert [one.reference for one in results([good, also_good])] == ["good", "also good"]
    assert isinstance(stranger.exception(PATIENCE_S), NotFound)
    assert isinstance(doubled.exception(PATIENCE_S), sa.exc.IntegrityError)
    assert [stage.balance(user)[1] for user in range(3)] == [2, 0, 1]
    assert stage.findings() == []


def test_outage_is_told_to_everybody_with_an_error_of_their_own(stage, pool):
    crowd = Crowd(stage, pool)

    def be_away(number: int) -> None:
        if number > 1:
            raise DatabaseAway("the database is away: unplugged")

    crowd.halting.instead = be_away
    waiting = crowd.queue(*(stage.turn(f"t{n}") for n in range(4)))
    crowd.let_go()
    errors = [future.exception(PATIENCE_S) for future in waiting]
    assert [str(error) for error in errors] == ["the database is away: unplugged"] * 4
    assert len({id(error) for error in errors}) == 4
    assert len(crowd.halting.threads) == 2
    assert crowd.first.result(PATIENCE_S).reference == "first"


def test_wallet_that_is_held_too_long_holds_up_nobody_elses_charge(stage, pool):
    if stage.db.dialect != "postgresql":
        pytest.skip("SQLite locks no wallets")
    impatient = Database(stage.db.url.render_as_string(False), lock_timeout_s=0.2)
    stage.db.run(lambda s: lock_wallet(s, stage.user_ids[1], currency="CNY", now=stage.now))
    crowd = Crowd(replace_db(stage, impatient), pool)
    with stage.db.begin() as session:
        lock_wallet(session, stage.user_ids[1], currency="CNY", now=stage.now)
        held, *others = crowd.queue(
            stage.turn("held", user=1), stage.turn("a"), stage.turn("b", user=2)
        )
        crowd.let_go()
        assert [one.reference for one in results(others)] == ["a", "b"]
        assert isinstance(held.exception(PATIENCE_S), DatabaseBusy)
    assert crowd.committer.settle(stage.turn("held", user=1)).version == 1
    impatient.close()


def replace_db(stage: Stage, db: Database) -> Stage:
    other = object.__new__(Stage)
    other.__dict__.update(stage.__dict__, db=db)
    return other


def test_who_waits_too_long_is_told_and_leaves_nothing_behind(stage, pool):
    crowd = Crowd(stage, pool)
    with pytest.raises(Overdue):
        crowd.committer.settle(stage.turn("hasty"), budget_s=0.01)
    patient = crowd.queue(stage.turn("patient"))
    crowd.let_go()
    assert results(patient)[0].version == 2
    assert stage.balance() == (-2 * NANO, 2)


def test_who_left_while_being_committed_finds_their_finish_recorded(stage, pool, monkeypatch):
    boarded, left = threading.Event(), threading.Event()

    class Hasty(threading.Event):
        def wait(self, timeout=None) -> bool:
            assert boarded.wait(PATIENCE_S)
            return False

    def hold(number: int) -> None:
        if number == 2:
            boarded.set()
            assert left.wait(PATIENCE_S)

    crowd = Crowd(stage, pool)
    crowd.halting.instead = hold
    make_waits(monkeypatch, "hasty", Hasty)
    leader, hasty, follower = crowd.queue(*(stage.turn(n) for n in ("leader", "hasty", "follower")))
    crowd.let_go()
    assert isinstance(hasty.exception(PATIENCE_S), Overdue)
    left.set()
    assert [one.version for one in results([leader, follower])] == [2, 4]
    again = crowd.committer.settle(stage.turn("hasty"))
    assert (again.is_replay, again.reference) == (True, "hasty")
    assert stage.balance() == (-4 * NANO, 4)


def make_waits(monkeypatch, reference: str, event: type[threading.Event]) -> None:
    """Let the thread of that turn wait in this way."""
    real = group_commit._Seat

    def seat(turn: Turn):
        return real(turn, called=event()) if turn.reference == reference else real(turn)

    monkeypatch.setattr(group_commit, "_Seat", seat)


def test_leader_that_is_ended_leaves_nobody_hanging(stage, pool):
    crowd = Crowd(stage, pool)

    def end(number: int) -> None:
        if number == 2:
            raise SystemExit

    crowd.halting.instead = end
    leader, *others = crowd.queue(*(stage.turn(f"t{n}") for n in range(4)))
    crowd.let_go()
    assert [one.reference for one in results(others)] == ["t1", "t2", "t3"]
    assert isinstance(leader.exception(PATIENCE_S), SystemExit)
    assert crowd.committer.settle(stage.turn("later")).version == 5


@pytest.mark.parametrize("when", ["while it waits", "when it is to lead"])
def test_waiting_thread_that_is_ended_leaves_nobody_hanging(stage, pool, monkeypatch, when):
    ended = threading.Event()

    class Ending(threading.Event):
        def wait(self, timeout=None) -> bool:
            if when == "when it is to lead":
                super().wait(timeout)
            ended.set()
            raise SystemExit

    crowd = Crowd(stage, pool)
    make_waits(monkeypatch, "ended", Ending)
    doomed = pool.submit(crowd.committer.settle, stage.turn("ended"))
    if when == "while it waits":
        assert ended.wait(PATIENCE_S)
    wait_until(lambda: doomed.done() or len(crowd.committer._queue) == 1)
    others = crowd.queue(stage.turn("a"), stage.turn("b"))
    crowd.let_go()
    assert [one.reference for one in results(others)] == ["a", "b"]
    assert isinstance(doomed.exception(PATIENCE_S), SystemExit)
    assert stage.balance() == (-3 * NANO, 3)
    assert crowd.committer.settle(stage.turn("later")).version == 4


def test_batch_whose_commit_lost_its_answer_is_found_recorded(stage, pool):
    if stage.db.dialect != "postgresql":
        pytest.skip("SQLite has no connection to lose")
    with CuttingProxy(stage.db) as proxy:
        crowd = Crowd(replace_db(stage, proxy.db), pool)
        turns = [stage.turn(f"t{n}", n % 2) for n in range(4)]
        waiting = crowd.queue(*turns)
        crowd.halting.instead = lambda number: proxy.cut.set() if number == 2 else None
        crowd.let_go()
        for future in waiting:
            assert isinstance(future.exception(PATIENCE_S), DatabaseAway)
        proxy.cut.clear()
        again = [crowd.committer.settle(turn) for turn in turns]
    assert all(one.is_replay for one in again)
    assert [one.reference for one in again] == [turn.reference for turn in turns]
    assert (stage.balance(0)[1], stage.balance(1)[1]) == (3, 2)
    assert stage.findings() == []


class CuttingProxy:
    """Stands before PostgreSQL; cuts a connection after a COMMIT, before its answer."""

    def __init__(self, db: Database) -> None:
        self.cut = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="sa-")
        self._upstream = f"{db.url.query['host']}/.s.PGSQL.5432"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(Path(self._folder.name) / ".s.PGSQL.5432"))
        self._server.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []
        url = db.url.update_query_dict({"host": self._folder.name})
        self.db = Database(url.render_as_string(False))

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()
        self._server.shutdown(socket.SHUT_RDWR)
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for one in [self._server, *self._sockets]:
            one.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(self._upstream)
                self._sockets += [client, upstream]
                doomed = threading.Event()
                for pump in (self._ask, self._answer):
                    thread = threading.Thread(target=pump, args=(client, upstream, doomed))
                    self._threads.append(thread)
                    thread.start()

    def _ask(self, client: socket.socket, upstream: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT\0" in data and self.cut.is_set():
                    doomed.set()
                upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)

    def _answer(
        self, client: socket.socket, upstream: socket.socket, doomed: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(65536):
                if doomed.is_set():  # committed, and nobody learns of it
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


def test_several_committers_on_the_same_wallets_lose_nothing_and_never_deadlock(stage, pool):
    turns = [stage.turn(f"t{n}", n % 3) for n in range(60)]
    twice = [*turns, *(replace(turn, reference=f"{turn.reference}x") for turn in turns)]
    random.Random(7).shuffle(twice)
    others = [Database(stage.db.url.render_as_string(False)) for _ in range(2)]
    committers = [Committer(db=one, rules=RULES, batch_turns_max=8) for one in others]
    recorded = list(
        pool.map(lambda n: committers[n % 2].settle(twice[n]), range(len(twice)), timeout=120)
    )
    for one in others:
        one.close()
    assert sum(one.is_replay for one in recorded) == 60
    assert [stage.balance(user) for user in range(3)] == [(-20 * NANO, 20)] * 3
    assert stage.findings() == []
