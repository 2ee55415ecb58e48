"""The service as people run it: started whole, stopped whole, whatever happens in between."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from free_ports import free_port

WAIT_S = 60
QUICK = {"SHAREAUTH_ADMIN__ENABLED": "false", "SHAREAUTH_VISITOR__ENABLED": "false"}
"""What is started and stopped here has no pages: it starts in half the time."""
HEADERS = {"Content-Type": "application/json"}


class Service:
    """``shareauth serve`` on a data directory and a port of its own."""

    def __init__(self, data_dir, *, port=None, config="", **environ):
        self.data_dir = data_dir
        self.port = port or free_port()
        self.config = data_dir.parent / f"{data_dir.name}.toml"
        self.config.write_text(config or "[service]\nworkers = 2\n")
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SHAREAUTH_", "PROM"))},
            "SHAREAUTH_CONFIG": str(self.config),
            "SHAREAUTH_SERVICE__DATA_DIR": str(data_dir),
            "SHAREAUTH_SERVICE__PORT": str(self.port),
            **QUICK,
            **environ,
        }
        self.out = data_dir.parent / f"{data_dir.name}.{self.port}.out"
        self.err = self.out.with_suffix(".err")
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "app", "serve"],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait_until_ready(self):
        self.wait_for(lambda: "Ctrl-C stops everything" in self.said)
        return self

    def wait_for(self, condition):
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < deadline, self.said + self.err.read_text()
            time.sleep(0.05)

    @property
    def said(self):
        return self.out.read_text()

    @property
    def hook_path(self):
        return re.search(r"root URL +http://[^/]+(/l/\S+)", self.said)[1] + "/shareAuth/"

    @property
    def token(self):
        return re.search(r"authToken=(\S+)", self.said)[1]

    def logged(self):
        return [json.loads(line) for line in self.err.read_text().splitlines()]

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=WAIT_S) as reply:
            return reply.read().decode()

    def call(self, hook, **body):
        body = json.dumps({"token": self.token, **body}).encode()
        url = f"http://127.0.0.1:{self.port}{self.hook_path}{hook}"
        request = urllib.request.Request(url, body, HEADERS)
        with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
            return json.load(reply)

    def shareauth(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "app", *arguments, "--json"],
            env=self.environ,
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def begin_finish(self):
        """A finish of which the service has seen the beginning; call the result for the rest."""
        node = {"moduleType": "chatNode", "model": "m", "totalPoints": 2, "inputTokens": 1}
        body = json.dumps({"token": self.token, "responseData": [node]}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.putrequest("POST", f"{self.hook_path}finish")
        for name, value in {**HEADERS, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[:10])

        def rest():
            connection.send(body[10:])
            reply = connection.getresponse()
            said = json.loads(reply.read())
            connection.close()
            return reply.status, said

        return rest

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def left_running(self):
        """Pids of whatever was started for this data directory."""
        return set(_pids_of(str(self.data_dir)))


def _pids_of(mark):
    """Processes with ``mark`` in their command line or environment, but for this one."""
    listed = subprocess.run(
        ["/bin/ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        pid, _, rest = line.strip().partition(" ")
        if mark in rest and int(pid) != os.getpid():
            yield int(pid)


@pytest.fixture
def start(tmp_path):
    """Start a service; all that any of them left behind is gone after the test."""
    started = []

    def begin(name="data", **options):
        started.append(Service(tmp_path / name, **options))
        return started[-1]

    yield begin
    for service in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()
        for pid in service.left_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_first_start_shows_what_works_and_the_second_keeps_it(start):
    service = start().wait_until_ready()
    uid = service.call("init")["data"]["uid"]
    assert service.call("start", question="?")["data"]["uid"] == uid
    node = {"moduleType": "chatNode", "model": "m", "totalPoints": 1.25, "inputTokens": 3}
    assert service.call("finish", responseData=[node])["success"] is True
    assert json.loads(service.get("/readyz"))["status"] == "ok"
    before = service.shareauth("users", "show", "demo")
    assert before["uid"] == uid
    assert before["points_used"] == "1.25"
    token, hook_path = service.token, service.hook_path
    curls = re.findall(r"curl -s (\S+) ", service.said)
    assert [url.rsplit("/", 1)[1] for url in curls] == ["init", "start", "finish"]

    assert service.stop() == 0
    assert service.left_running() == set()

    again = start(port=service.port).wait_until_ready()
    assert again.hook_path == hook_path
    assert "authToken" not in again.said
    assert "tokens mint --link demo --subject demo" in again.said
    assert again.shareauth("users", "show", "demo") == before
    assert token not in again.said + again.err.read_text() + service.err.read_text()
    assert again.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_stopping_finishes_what_is_in_flight_and_leaves_nothing(start, number):
    service = start().wait_until_ready()
    service.call("init")
    rest = service.begin_finish()
    service.wait_for(lambda: len(service.left_running()) >= 4)
    if number == signal.SIGINT:
        os.killpg(service.process.pid, number)  # a terminal tells the whole foreground
    else:
        service.process.send_signal(number)
    service.wait_for(lambda: _refuses(service.port))
    status, said = rest()
    assert (status, said["success"]) == (200, True)
    assert service.process.wait(WAIT_S) == 0
    assert service.left_running() == set()
    again = start(port=service.port).wait_until_ready()
    assert again.shareauth("users", "show", "demo")["points_used"] == "2"


def _refuses(port):
    with socket.socket() as probe:
        probe.settimeout(WAIT_S)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
def test_start_after_a_kill_recovers(start):
    service = start().wait_until_ready()
    hook_path = service.hook_path
    service.process.kill()
    service.process.wait()
    again = start(port=service.port).wait_until_ready()
    assert again.hook_path == hook_path
    assert json.loads(again.get("/readyz"))["checks"] == {"database": "ok", "redis": "ok"}
    assert again.stop() == 0
    assert again.left_running() == set()


@pytest.mark.slow
def test_second_service_is_refused_its_directory_or_its_port(start, tmp_path):
    service = start().wait_until_ready()
    same_directory = start(port=free_port())
    assert same_directory.process.wait(WAIT_S) == 1
    assert f"pid {service.process.pid}" in same_directory.err.read_text()
    same_port = start("other", port=service.port)
    assert same_port.process.wait(WAIT_S) == 1
    assert f"port {service.port} is in use" in same_port.err.read_text()
    assert "Traceback" not in same_directory.err.read_text() + same_port.err.read_text()
    assert same_port.left_running() == set()
    assert json.loads(service.get("/readyz"))["status"] == "ok"


def test_wrong_settings_stop_the_start_with_all_problems(start):
    service = start(config="[service]\nport = 0\n[nonsense]\n", SHAREAUTH_REDIS__TIMEOUT_MS="x")
    assert service.process.wait(WAIT_S) == 1
    told = service.err.read_text()
    assert "nonsense: unknown setting" in told
    assert "redis.timeout_ms" in told
    assert not service.data_dir.exists()


@pytest.mark.slow
def test_reload_takes_new_settings_without_dropping_a_request(start):
    service = start().wait_until_ready()
    service.call("init")
    service.wait_for(lambda: "worker_started" in service.err.read_text())
    old = service.left_running()
    rest = service.begin_finish()

    service.config.write_text("[service]\nworkers = 3\nlocale = 'en'\n")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for(lambda: "Sign in" in _rejected(service) or "sign in" in _rejected(service))
    assert rest()[1]["success"] is True
    service.wait_for(lambda: len(service.left_running() & old) == 2)  # the parent and Valkey
    service.wait_for(lambda: len(service.left_running()) == 2 + 3 + 1)

    service.config.write_text("[service]\nworkers = 'many'\n")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for(lambda: any(e["event"] == "reload_refused" for e in service.logged()))
    service.wait_for(lambda: len(_workers_started(service)) == 2)
    os.kill(_jobs(service), signal.SIGKILL)  # it comes back with the settings that are in force
    service.wait_for(lambda: len(_workers_started(service)) == 3)
    service.config.write_text(f"[service]\n[redis]\nurl = 'redis://127.0.0.1:{free_port()}'\n")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for(lambda: "redis.url can only be changed" in service.err.read_text())
    assert service.call("init")["success"] is True
    assert service.stop() == 0
    assert service.left_running() == set()


def _rejected(service):
    body = json.dumps({"token": "eyJ.eyJ.x"}).encode()
    url = f"http://127.0.0.1:{service.port}{service.hook_path}init"
    with urllib.request.urlopen(urllib.request.Request(url, body, HEADERS)) as reply:
        return json.load(reply)["message"]


def test_metrics_count_what_every_process_answered(start):
    service = start().wait_until_ready()
    asked = 12
    for _ in range(asked):
        service.call("init")
    found = {
        float(n)
        for _ in range(6)
        for n in re.findall(
            r'^shareauth_hook_requests_total\{code="ok",hook="init"\} (\S+)',
            service.get("/metrics"),
            re.MULTILINE,
        )
    }
    assert found == {float(asked)}


@pytest.mark.slow
def test_what_dies_beside_the_workers_is_started_again(start):
    service = start().wait_until_ready()
    old = _valkeys(service)
    os.kill(old[0], signal.SIGKILL)
    service.wait_for(lambda: _valkeys(service) not in (old, []))
    service.wait_for(lambda: json.loads(service.get("/readyz"))["checks"]["redis"] == "ok")
    assert service.call("start", question="?")["success"] is True
    service.wait_for(lambda: _workers_started(service))
    os.kill(_jobs(service), signal.SIGKILL)
    service.wait_for(lambda: len(_workers_started(service)) == 2)


def _workers_started(service):
    return [e for e in service.logged() if e["event"] == "worker_started"]


def _jobs(service):
    """The pid of the process that does the periodic jobs."""
    (pid,) = [
        pid
        for pid in _pids_of(str(service.data_dir))
        if f"--parent {service.process.pid}" in _command(pid)
    ]
    return pid


def _valkeys(service):
    return [pid for pid in service.left_running() if "valkey-server" in _command(pid)]


def _command(pid):
    shown = subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout


@pytest.mark.slow
def test_demo_can_be_switched_off(start):
    service = start(config="[demo]\nenabled = false\n")
    service.wait_for(lambda: "links list" in service.said)
    assert service.shareauth("links", "list")["links"] == []
    assert Path(service.data_dir / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_worker_does_not_look_through_what_it_began_with(tmp_path, sqlite_template, valkey_url):
    """Each of its collections would, and some request would wait for it."""
    code = f"""
import gc
from app.config import Settings
from app.server import _Service
settings = Settings.model_validate({{
    "service": {{"data_dir": {str(tmp_path)!r}, "secret_key": "x" * 40}},
    "database": {{"url": "sqlite:///{sqlite_template}"}},
    "redis": {{"url": {valkey_url!r}, "namespace": "frozen"}},
    "admin": {{"enabled": False}},
    "visitor": {{"enabled": False}},
}})
app = _Service(settings, lambda: None, ()).load()
assert "hooks" in app.blueprints
assert gc.get_freeze_count() > 50_000 > len(gc.get_objects())
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stderr
