"""An issuer's key set, served over HTTP on a real socket, with every way to misbehave."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class JwksServer:
    """Serves ``keys`` and counts the fetches. Use it as a context manager."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.body: bytes | None = None
        """Served instead of the keys."""
        self.location: str | None = None
        self.fetches = 0
        self.hosts: list[str | None] = []
        self.gate = threading.Event()
        """While it is clear, answers wait."""
        self.gate.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json?v=1"

    def answer(self) -> bytes:
        return self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(fake: JwksServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.fetches += 1
            fake.hosts.append(self.headers.get("Host"))
            fake.gate.wait(10)
            body = fake.answer()
            self.send_response(fake.status)
            if fake.location is not None:
                self.send_header("Location", fake.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
