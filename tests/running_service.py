"""A real service to call over HTTP: gunicorn with several workers, its Valkey, its database."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa
import urllib3
from app import config
from app.audit.journal import Actor
from app.cli.session import Desk
from app.funding import changes
from app.funding.changes import Change
from app.links import commands as link_commands
from app.links.commands import LinkSpec
from app.money import to_nano
from app.plans import commands as plan_commands
from app.plans.commands import PlanSpec
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL
from app.users import commands as user_commands
from app.users.commands import UserSpec

from free_ports import free_port
from zygote import NURSERY, Forked

START_TIMEOUT_S = 90
QUICK = {"SHAREAUTH_ADMIN__ENABLED": "false", "SHAREAUTH_VISITOR__ENABLED": "false"}
"""Most tests are about the hooks: a service without pages starts in half the time."""
ACTOR = Actor("tests", "cli")


@dataclass
class Root:
    """One link's root URL, called as FastGPT calls it."""

    url: str
    pool: urllib3.PoolManager = field(repr=False)
    link_id: int = 0

    def call(self, hook: str, body: dict | bytes) -> dict:
        content = {"json": body} if isinstance(body, dict) else {"body": body}
        headers = {"Content-Type": "application/json"} if isinstance(body, bytes) else {}
        answer = self.pool.request(
            "POST", f"{self.url}/shareAuth/{hook}", redirect=False, headers=headers, **content
        )
        assert answer.status == 200, answer.data
        return answer.json()

    def init(self, token: str) -> dict:
        return self.call("init", {"token": token})

    def start(self, token: str, question: str = "?") -> dict:
        return self.call("start", {"token": token, "question": question})

    def finish(self, token: str, nodes: list | None = None, **more) -> dict:
        return self.call("finish", {"token": token, "responseData": nodes or [], **more})


@dataclass
class Service:
    """A running ``shareauth serve`` and, for setting the scene, its own commands on its data."""

    url: str
    data_dir: Path
    environ: dict[str, str]
    process: Forked
    log_path: Path
    pool: urllib3.PoolManager

    def desk(self) -> Desk:
        desk = Desk(config.load(self.environ))
        desk.actor = ACTOR
        return desk

    def add_link(self, **spec) -> Root:
        desk = self.desk()
        with desk.change() as session:
            made = link_commands.create(
                session,
                LinkSpec(name=uuid.uuid4().hex, **spec),
                keys=desk.keys,
                actor=ACTOR,
                now=desk.now,
            )
            root = Root(f"{self.url}/l/{made.key}", self.pool, made.link.id)
        desk.close()
        return root

    def add_visitor(self, *, credit: Decimal | int = 1000, plan: PlanSpec | None = None) -> str:
        """A new user's opaque token, good for any link."""
        return self.add_user(credit=credit, plan=plan)[1]

    def add_user(
        self, *, credit: Decimal | int = 1000, plan: PlanSpec | None = None
    ) -> tuple[str, str]:
        desk = self.desk()
        subject = f"visitor-{uuid.uuid4().hex}"
        with desk.change() as session:
            plan_id = (
                plan_commands.create(session, plan, actor=ACTOR, now=desk.now).id if plan else None
            )
            issuer = token_store.get_issuer(session, LOCAL)
            user = user_commands.create(
                session,
                UserSpec(issuer_id=issuer.id, subject=subject, plan_id=plan_id),
                uid=desk.keys.uid(LOCAL, subject),
                actor=ACTOR,
                now=desk.now,
            )
            minted = token_commands.mint(
                session, MintSpec(user_id=user.id), keys=desk.keys, actor=ACTOR, now=desk.now
            )
        if credit:
            change = Change(user.id, to_nano(Decimal(credit)), "CNY", "test", f"t:{subject}")
            changes.top_up(desk.db, change, actor=ACTOR, now=desk.now)
        desk.close()
        return subject, minted.text

    def rows(self, statement: str, **parameters) -> list:
        desk = self.desk()
        with desk.db.read() as session:
            found = session.execute(sa.text(statement), parameters).all()
        desk.close()
        return found

    def cli(self, *words: str, exit_code: int = 0) -> str:
        done = NURSERY.run(words, env=self.environ)
        assert done.returncode == exit_code, (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def stop(self, way: signal.Signals = signal.SIGTERM) -> int:
        for host in self.pool.pools.keys():  # noqa: SIM118 - it is no mapping
            self.pool.pools[host].close()  # for idle connections, stopping waits
        self.pool.clear()
        self.process.send_signal(way)
        return self.process.wait(60)


def start_service(environ: dict[str, str], data_dir: Path, port: int | None = None) -> Service:
    port = port or free_port()
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("SHAREAUTH_")},
        "SHAREAUTH_SERVICE__DATA_DIR": str(data_dir),
        "SHAREAUTH_SERVICE__PORT": str(port),
        **QUICK,
        **environ,
    }
    environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    log_path = data_dir.parent / f"{data_dir.name}.log"
    with log_path.open("ab") as log:
        process = NURSERY.start(["serve"], env=environ, stdout=log, stderr=log)
    pool = urllib3.PoolManager(maxsize=128, retries=False, timeout=60)
    service = Service(f"http://127.0.0.1:{port}", data_dir, environ, process, log_path, pool)
    wait_for(lambda: is_ready(service), service.log)
    return service


def is_ready(service: Service) -> bool:
    assert service.process.poll() is None, service.log()
    # Kept alive, the connection would be waited for when the service stops.
    headers = {"Connection": "close"}
    try:
        answer = service.pool.request("GET", f"{service.url}/readyz", headers=headers)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def wait_for(holds: Callable[[], bool], explain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def at_once(count: int, call: Callable[[int], dict]) -> list[dict]:
    """Do it from so many threads at the same moment."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def in_future(**delta) -> datetime:
    return datetime.now(UTC) + timedelta(**delta)
