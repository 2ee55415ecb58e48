"""The real service on a loaded database, with an operator signed in as a browser is."""

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
import urllib3
from app.audit.journal import Actor
from app.db import Database
from app.operators import commands, passwords
from app.operators.commands import OperatorSpec

START_TIMEOUT_S = 120
_CSRF = re.compile(rb'name="csrf_token" value="([^"]+)"')


@dataclass
class Service:
    """A service that answers; ``pid`` is that of its first process, when it is one of ours."""

    url: str
    pid: int | None = None
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=4, retries=False, timeout=600)
    )
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, *, preload: bool = True) -> urllib3.BaseHTTPResponse:
        return self._call("GET", path, preload_content=preload)

    def sign_in(self, name: str, password: str) -> None:
        """Raises RuntimeError: they may not, or must choose a password first."""
        page = self.get("/admin/sign-in")
        found = _CSRF.search(page.data)
        if found is None:
            raise RuntimeError(f"no sign-in page at {self.url}: {page.status}")
        fields = {"name": name, "password": password, "csrf_token": found[1].decode(), "next": ""}
        answer = self._call("POST", "/admin/sign-in", fields=fields, encode_multipart=False)
        if answer.status >= 400 or self.get("/admin/").status != 200:  # noqa: PLR2004
            raise RuntimeError(f"{name} could not sign in: {answer.status}")

    def memory_mb(self) -> float:
        """The most that any process of it has had since ``forget_memory``."""
        if self.pid is None:
            return 0.0
        return max(_peak_mb(process.pid) for process in self._processes())

    def forget_memory(self) -> None:
        for process in self._processes() if self.pid else ():
            Path(f"/proc/{process.pid}/clear_refs").write_text("5", "ascii")

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def _call(self, method: str, path: str, **more: object) -> urllib3.BaseHTTPResponse:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookie, "Referer": self.url} if cookie else {"Referer": self.url}
        answer = self.pool.request(
            method, f"{self.url}{path}", headers=headers, redirect=False, **more
        )
        for line in answer.headers.getlist("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value
        return answer


@contextmanager
def served(url: str, folder: Path, port: int, **settings: str) -> Iterator[Service]:
    """``shareauth serve`` on the database, with one worker; an owner is signed in."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SHAREAUTH_")},
        "SHAREAUTH_SERVICE__DATA_DIR": str(folder),
        "SHAREAUTH_SERVICE__PORT": str(port),
        "SHAREAUTH_SERVICE__WORKERS": "1",
        "SHAREAUTH_DATABASE__URL": url,
        "SHAREAUTH_ADMIN__API_CALLS_PER_MINUTE": "1000000",
        **settings,
    }
    command = [sys.executable, "-P", "-m", "app", "serve"]
    log = folder / "serve.log"
    with log.open("ab") as out:
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
    try:
        service = Service(f"http://127.0.0.1:{port}", process.pid)
        _wait(service, process, log)
        service.sign_in(*add_owner(url))
        yield service
    finally:
        process.terminate()
        process.wait(120)


def add_owner(url: str) -> tuple[str, str]:
    """A new owner who need not change the password; name and password."""
    db = Database(url)
    spec = OperatorSpec(name=f"bench-{uuid.uuid4().hex[:8]}", role="owner")
    actor, now = Actor("benchmark", "cli"), datetime.now(UTC)
    with db.begin() as session:
        made = commands.create(session, spec, actor=actor, now=now)
        made.operator.must_change_password = False
        made.operator.password_hash = passwords.hashed(made.password)
        name = made.operator.name
    db.close()
    return name, made.password


def _wait(service: Service, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if service.get("/readyz").status == 200:  # noqa: PLR2004 - OK
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the service does not come up: {log.read_text('utf-8', 'replace')[-2000:]}")


def _peak_mb(pid: int) -> float:
    try:
        said = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", said)
    return int(found[1]) / 1024 if found else 0.0
