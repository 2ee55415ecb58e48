"""A small server of the three hooks with books of its own, that can be told to misbehave."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from app.simulator.books import Booked

from fakes.naive_counting import body_total

Reply = tuple[int, bytes]
Spoil = Callable[[str, int, dict[str, Any]], dict[str, Any] | Reply]
"""Hook, the how-manieth call of it, the right reply -> another one; a tuple is sent as it is."""


class HookServer:
    """Answers on a loopback port. ``book`` says how often the n-th new finish is booked."""

    def __init__(
        self,
        *,
        spoil: Spoil = lambda _hook, _number, reply: reply,
        book: Callable[[int], int] = lambda _number: 1,
        delay_s: float = 0,
    ) -> None:
        self.spoil = spoil
        self.book = book
        self.delay_s = delay_s
        self.calls: dict[str, list[dict[str, Any]]] = {"init": [], "start": [], "finish": []}
        self.headers: list[dict[str, str]] = []
        self.books: dict[str, Booked] = {}
        self._seen: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/l/key"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def read(self, subjects: Sequence[str]) -> dict[str, Booked]:
        """The ledger; a token's subject is the token itself."""
        with self._lock:
            return {subject: self.books.get(subject, Booked()) for subject in subjects}

    def answer(self, hook: str, body: bytes) -> Reply:
        time.sleep(self.delay_s)
        document = json.loads(body)
        token = document["token"]
        reply: dict[str, Any] = {"success": True, "message": "", "msg": "", "code": "ok"}
        with self._lock:
            self.calls[hook].append(document)
            number = len(self.calls[hook])
            if hook == "finish":
                self._settle(token, body)
        if hook != "finish":
            reply["data"] = {"uid": "u-" + hashlib.sha256(token.encode()).hexdigest()[:12]}
        spoilt = self.spoil(hook, number, reply)
        return spoilt if isinstance(spoilt, tuple) else (200, json.dumps(spoilt).encode())

    def _settle(self, token: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        if (token, digest) in self._seen:
            return
        self._seen.add((token, digest))
        times = self.book(len(self._seen))
        held = self.books.get(token, Booked())
        points = held.points + times * _nano(body)
        self.books[token] = Booked(points, points, held.questions + times, points)


def _nano(body: bytes) -> int:
    is_price = b'"price":' in body
    exact = body_total(body) * (Decimal("0.00001") if is_price else 1) * 10**9
    return int(exact.to_integral_value(ROUND_HALF_UP))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def _handler(owner: HookServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            owner.headers.append(dict(self.headers))
            self._reply(*owner.answer(self.path.rpartition("/")[2], body))

        def do_GET(self) -> None:
            self._reply(405, b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing: the test says what went wrong."""

        def _reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
