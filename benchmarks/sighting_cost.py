"""What it costs a hook to remember what it saw: with the lookout, against without.

Both ways take turns in each round, so that whatever else the machine does falls on both. See
README.md beside this file.
"""

import argparse
import io
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import structlog
from app import embedded
from app.audit.journal import Actor
from app.cli import foundation
from app.cli.session import Desk
from app.config import Settings
from app.factory import create_app
from app.funding import changes
from app.funding.changes import Change
from app.limits import VisitorLimits
from app.links import commands as link_commands
from app.links.commands import LinkSpec
from app.money import to_nano
from app.plans import commands as plan_commands
from app.plans.commands import PlanSpec
from app.runtime import Runtime
from app.schema import upgrade
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL
from app.users import commands as user_commands
from app.users.commands import UserSpec
from flask import Flask
from werkzeug.test import EnvironBuilder

ACTOR = Actor("benchmark", "cli")
PLENTY = 10**8
WARM_UP = 200


@dataclass(frozen=True)
class Options:
    rounds: int
    calls: int


@dataclass(frozen=True)
class Spent:
    """One way in one round, in microseconds a call: by the clock, and of this process' CPU."""

    wall_us: float
    cpu_us: float


class Silent:
    """In the place of a lookout: remembers nothing."""

    def saw(self, _sighting: object) -> None: ...

    def close(self) -> None: ...


class Caller:
    """Calls one hook of one application again and again."""

    def __init__(self, app: Flask, path: str, body: dict[str, str]) -> None:
        self._app = app
        self._body = json.dumps(body).encode()
        self._environ = EnvironBuilder(path, method="POST", data=self._body).get_environ()

    def call(self) -> bytes:
        environ = {**self._environ, "wsgi.input": io.BytesIO(self._body)}
        answer = self._app.wsgi_app(environ, lambda *_: lambda _: None)
        try:
            return b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()

    def spend(self, calls: int) -> Spent:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            self.call()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Spent(wall / calls * 1e6, cpu / calls * 1e6)


def set_scene(settings: Settings) -> dict[str, tuple[str, str]]:
    """Visitors on a link: what is called, and by which token."""
    desk = Desk(settings)
    upgrade(desk.db)
    foundation.ensure(desk.db, settings, actor=ACTOR, now=desk.now)
    with desk.change() as session:
        link = link_commands.create(
            session, LinkSpec(name="l"), keys=desk.keys, actor=ACTOR, now=desk.now
        )
        tokens = {}
        for name, rate in (("admitted", PLENTY), ("refused", 0)):
            limits = VisitorLimits(questions_per_minute=rate, open_questions=PLENTY)
            plan = plan_commands.create(
                session, PlanSpec(name=name, limits=limits), actor=ACTOR, now=desk.now
            )
            issuer = token_store.get_issuer(session, LOCAL)
            user = user_commands.create(
                session,
                UserSpec(issuer_id=issuer.id, subject=name, plan_id=plan.id),
                uid=desk.keys.uid(LOCAL, name),
                actor=ACTOR,
                now=desk.now,
            )
            minted = token_commands.mint(
                session, MintSpec(user_id=user.id), keys=desk.keys, actor=ACTOR, now=desk.now
            )
            tokens[name] = (user.id, minted.text)
    for name, (user_id, _) in tokens.items():
        change = Change(user_id, to_nano(Decimal(10**6)), "CNY", "benchmark", name)
        changes.top_up(desk.db, change, actor=ACTOR, now=datetime.now(UTC))
    desk.close()
    root = f"/l/{link.key}/shareAuth"
    return {
        "init": (f"{root}/init", tokens["admitted"][1]),
        "start": (f"{root}/start", tokens["admitted"][1]),
        "start, refused": (f"{root}/start", tokens["refused"][1]),
        "no such link": ("/l/nobody/shareAuth/init", "x"),
    }


def measure(options: Options, settings: Settings) -> None:
    calls = set_scene(settings)
    watched = create_app(settings)
    runtime: Runtime = watched.extensions["shareauth"]
    other = Runtime.build(settings)
    object.__setattr__(other, "lookout", Silent())
    silent = create_app(settings, other)
    print(f"{'':16}{'without':>10}{'with':>10}{'CPU':>9}{'wall':>9}")
    for name, (path, token) in calls.items():
        body = {"token": token, "question": "?"}
        compare(name, options, *(Caller(app, path, body) for app in (silent, watched)))
    runtime.close()
    other.close()


def compare(name: str, options: Options, without: Caller, with_it: Caller) -> None:
    for caller in (without, with_it):
        for _ in range(WARM_UP):
            caller.call()
    rounds = []
    for number in range(options.rounds):
        both = (without, with_it) if number % 2 else (with_it, without)
        spent = {caller: caller.spend(options.calls) for caller in both}
        rounds.append((spent[without], spent[with_it]))

    def median(of: Callable[[Spent, Spent], float]) -> float:
        return statistics.median(of(a, b) for a, b in rounds)

    print(
        f"{name:16}{median(lambda a, _: a.cpu_us):>8.0f}us{median(lambda _, b: b.cpu_us):>8.0f}us"
        f"{median(lambda a, b: b.cpu_us / a.cpu_us):>8.3f}x"
        f"{median(lambda a, b: b.wall_us / a.wall_us):>8.3f}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--calls", type=int, default=400, help="of each way in each round")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="sa-") as folder:
        data_dir = Path(folder)
        valkey = embedded.start(data_dir, namespace="benchmark")
        settings = Settings.model_validate(
            {
                "service": {"data_dir": data_dir, "secret_key": "only for a benchmark" * 2},
                "redis": {"namespace": "benchmark", "timeout_ms": 1000},
            }
        )
        try:
            measure(Options(given.rounds, given.calls), settings)
        finally:
            valkey.stop()


if __name__ == "__main__":
    main()
