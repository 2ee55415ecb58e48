"""The real thing, as the model test drives it: a database, a namespace of Valkey, two workers.

Time is the test's own. Scripts ask the server for it, so the scripts that are loaded here get a
``TIME`` that reads a key, and keys never expire by themselves: what would have expired is deleted
when the test says so. Everything else is as ``Runtime.build`` makes it.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
import sqlalchemy as sa
from app.admission import redis_gate
from app.admission.redis_gate import Script
from app.audit.journal import Actor
from app.cli import foundation
from app.config import Settings
from app.db import Database
from app.errors import ServiceError
from app.funding import changes
from app.funding.changes import Change, Reversal
from app.links import commands as link_commands
from app.links import store as link_store
from app.links.commands import LinkChange, LinkSpec
from app.plans import commands as plan_commands
from app.plans import store as plan_store
from app.plans.commands import PlanChange
from app.pricing import commands as price_commands
from app.pricing.book import PriceBook
from app.pricing.commands import PriceSpec
from app.runtime import Runtime
from app.statements import verification
from app.statements.verification import Verification
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL
from app.turns.doors import Door
from app.turns.finish import Arrival
from app.users import commands as user_commands
from app.users import store as user_store
from app.users.commands import UserChange, UserSpec
from sqlalchemy.orm import Session

ACTOR = Actor("model", "tests")
SECRET = "a secret that is only good for tests, 32+"
BEGINNING = datetime(2040, 1, 31, 13, 0, tzinfo=UTC)
"""Three hours before a month ends in Asia/Shanghai; far from now, so that no key has expired."""

CLOCK = """
local valkey = redis
local redis = {}
function redis.call(name, ...)
  local given = {...}
  if name == 'TIME' then
    local moment = valkey.call('GET', '%s')
    return {string.sub(moment, 1, -7), string.sub(moment, -6)}
  elseif name == 'PEXPIRE' or name == 'PEXPIREAT' then
    return 1
  elseif name == 'SET' then
    for place = #given, 3, -1 do
      if given[place] == 'PX' then
        table.remove(given, place + 1)
        table.remove(given, place)
      end
    end
  end
  return valkey.call(name, unpack(given))
end
"""


def scripts_with_clock(key: str) -> Callable[[], dict[str, Script]]:
    """Puts in place of ``redis_gate.load_scripts``: the same scripts by the clock in ``key``."""
    given = redis_gate.load_scripts()

    def load() -> dict[str, Script]:
        texts = {name: CLOCK % key + script.text for name, script in given.items()}
        return {
            name: Script(text, hashlib.sha1(text.encode()).hexdigest())
            for name, text in texts.items()
        }

    return load


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Lab:
    """What all runs share: a server with a clock on it, and where databases come from."""

    redis_url: str
    clock_key: str
    folder: Path
    new_database: Callable[[], "Iterator[str]"]


@dataclass
class World:
    """One run's own service. Doors, tokens and ids are known by the names of the model."""

    lab: Lab
    admission: dict
    namespace: str = field(default_factory=lambda: f"m{uuid.uuid4().hex[:12]}")
    now: datetime = BEGINNING
    workers: list[Runtime] = field(default_factory=list)
    doors: dict[str, Door] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    user_ids: dict[str, int] = field(default_factory=dict)
    link_ids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._together: Session | None = None
        self._database = contextmanager(self.lab.new_database)()
        self.redis = redis.Redis.from_url(self.lab.redis_url, decode_responses=True)
        self.settings = Settings.model_validate(
            {
                "service": {"data_dir": self.lab.folder / self.namespace, "secret_key": SECRET},
                "database": {"url": self._database.__enter__(), "pool_size": 2},
                "redis": {
                    "url": self.lab.redis_url,
                    "namespace": self.namespace,
                    "timeout_ms": 10_000,
                },
                "admission": self.admission,
                "spool": {"after_s": 60},
            }
        )
        self.pass_time(timedelta())
        self.workers = [Runtime.build(self.settings) for _ in range(2)]
        foundation.ensure(self.db, self.settings, actor=ACTOR, now=self.now)

    @property
    def db(self) -> Database:
        return self.workers[0].db

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.flush()
        self.redis.close()
        self._database.__exit__(None, None, None)

    # -- time and losses ---------------------------------------------------------------------

    def pass_time(self, passed: timedelta) -> None:
        self.now += passed
        self.redis.set(self.lab.clock_key, micros(self.now))

    def flush(self, pattern: str = "*") -> None:
        keys = list(self.redis.scan_iter(f"{{{self.namespace}}}:{pattern}", count=1000))
        if keys:
            self.redis.delete(*keys)

    def restart(self, number: int) -> None:
        self.workers[number].close()
        self.workers[number] = Runtime.build(self.settings)

    # -- what operators do -------------------------------------------------------------------

    def change(self, work: Callable[[Session], object]) -> None:
        if self._together is not None:
            work(self._together)
            return
        with self.db.begin() as session:
            work(session)
        self.workers[1].announce()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes of the block in one transaction."""
        with self.db.begin() as self._together:
            yield
        self._together = None
        self.workers[1].announce()

    def add_user(self, name: str) -> None:
        def work(session: Session) -> None:
            user = user_commands.create(
                session,
                UserSpec(issuer_id=token_store.get_issuer(session, LOCAL).id, subject=name),
                uid=self.workers[0].keys.uid(LOCAL, name),
                actor=ACTOR,
                now=self.now,
            )
            minted = token_commands.mint(
                session,
                MintSpec(user_id=user.id, ttl_s=None),
                keys=self.workers[0].keys,
                actor=ACTOR,
                now=self.now,
            )
            self.user_ids[name], self.tokens[name] = user.id, minted.text

        self.change(work)

    def add_link(self, name: str) -> None:
        def work(session: Session) -> None:
            made = link_commands.create(
                session,
                LinkSpec(name=name, allows_guests=True),
                keys=self.workers[0].keys,
                actor=ACTOR,
                now=self.now,
            )
            self.link_ids[name], self.doors[name] = made.link.id, Door.with_key(made.key)

        self.change(work)

    def add_plan(self, name: str) -> None:
        spec = plan_commands.PlanSpec(name=name)
        self.change(lambda s: plan_commands.create(s, spec, actor=ACTOR, now=self.now))

    def change_plan(self, name: str, **fields: object) -> None:
        def work(session: Session) -> None:
            plan = plan_store.get_by_name(session, name)
            change = PlanChange.model_validate(fields)
            plan_commands.update(session, plan, change, actor=ACTOR, now=self.now)

        self.change(work)

    def change_link(self, name: str, **fields: object) -> None:
        def work(session: Session) -> None:
            link = link_store.find_by_name(session, name)
            change = LinkChange.model_validate(fields)
            link_commands.update(session, link, change, actor=ACTOR, now=self.now)

        self.change(work)

    def switch_link(self, name: str, *, on: bool) -> None:
        def work(session: Session) -> None:
            link = link_store.find_by_name(session, name)
            link_commands.set_enabled(session, link, enabled=on, actor=ACTOR, now=self.now)

        self.change(work)

    def change_user(self, name: str, *, plan: str, limits: dict) -> None:
        def work(session: Session) -> None:
            user = user_store.find_by_id(session, self.user_ids[name])
            plan_id = plan_store.get_by_name(session, plan).id
            change = UserChange.model_validate({"plan_id": plan_id, "limits": limits})
            user_commands.update(session, user, change, actor=ACTOR, now=self.now)

        self.change(work)

    def suspend(self, name: str, *, suspended: bool) -> None:
        def work(session: Session) -> None:
            user = user_store.find_by_id(session, self.user_ids[name])
            user_commands.set_suspended(
                session, user, suspended=suspended, actor=ACTOR, now=self.now
            )

        self.change(work)

    def publish(self, book: dict, at: datetime) -> str | None:
        """The code of the refusal, or None when the version stands."""
        spec = PriceSpec(book=PriceBook.model_validate(book), effective_at=at)
        try:
            self.change(
                lambda s: price_commands.publish(s, spec, currency="CNY", actor=ACTOR, now=self.now)
            )
        except ServiceError as refused:
            return refused.code
        return None

    def fund(
        self, kind: str, name: str, amount: int, key: str, *, may_be_negative: bool
    ) -> changes.Funded:
        change = Change(self.user_ids[name], amount, "CNY", "model", key, may_be_negative)
        do = {"top_up": changes.top_up, "refund": changes.refund, "adjustment": changes.adjust}
        return do[kind](self.db, change, actor=ACTOR, now=self.now)

    def reverse(
        self, name: str, sequence: int, key: str, *, may_be_negative: bool
    ) -> changes.Funded:
        """Undo the wallet's transaction of that number, counted from zero."""
        found = self.rows(
            "SELECT t.id FROM ledger_transactions t JOIN ledger_accounts a ON a.id = t.wallet_id "
            "WHERE a.user_id = :who AND t.sequence = :sequence",
            who=self.user_ids[name],
            sequence=sequence + 1,
        )
        reversal = Reversal(found[0][0], "model", key, may_be_negative)
        return changes.reverse(self.db, reversal, actor=ACTOR, now=self.now)

    # -- what FastGPT does -------------------------------------------------------------------

    def ask(self, worker: int, name: str, link: str):
        asked = self.workers[worker].visits.ask(self.doors[link], self.tokens[name], self.now)
        self.user_ids[name] = asked.visitor.user_id
        return asked

    def cancel(self, worker: int, asked, at: datetime) -> None:
        visits = self.workers[worker].visits
        ask = visits._ask(asked.visitor, asked.admission.ticket, at)
        self.workers[worker].gate.cancel(ask)

    def finish(self, worker: int, link: str, body: bytes, at: datetime | None = None):
        """``at``: when it came; one that came earlier is settled as the spool's drain does it."""
        finishes = self.workers[worker].finishes
        if at is None:
            return finishes.accept(self.doors[link], self._arrival(body, self.now))
        assert finishes.is_open(self.now)
        return finishes.settle(self.doors[link], self._arrival(body, at))

    def _arrival(self, body: bytes, at: datetime) -> Arrival:
        return Arrival(body, uuid.uuid4().hex[:10], at)

    # -- what is in the books ----------------------------------------------------------------

    def rows(self, statement: str, **parameters: object) -> list:
        with self.db.read() as session:
            return session.execute(sa.text(statement), parameters).all()

    def wallets(self) -> dict[int, tuple[int, int]]:
        found = self.rows(
            "SELECT user_id, balance, version FROM ledger_accounts WHERE kind = 'wallet'"
        )
        return {who: (balance, version) for who, balance, version in found}

    def events(self) -> list[tuple[int, int, int, int]]:
        return [
            tuple(row)
            for row in self.rows(
                "SELECT user_id, link_id, points, charge FROM usage_events ORDER BY id"
            )
        ]

    def verify(self) -> Verification:
        return verification.verify(self.db, zone=self.settings.zone)
