"""A TCP proxy on 127.0.0.1 that can cut, delay and swallow what passes between two programs."""

import contextlib
import random
import socket
import threading
import time
from dataclasses import dataclass
from typing import Literal

from free_ports import free_port

CHUNK = 65536
_GLANCE_S = 0.05


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to connections from now on.

    ``delay_s`` passes before each reply. ``is_silent``: nothing passes and nothing is closed.
    ``refuses``: new connections are closed at once. ``cut``: when ``trigger`` passes from client
    to server, in ``share`` of all cases, the connection breaks *before* the server gets it, or
    *after* the server has answered it and before the client hears of it.
    """

    delay_s: float = 0
    is_silent: bool = False
    refuses: bool = False
    cut: Literal["before", "after"] | None = None
    trigger: bytes = b""
    share: float = 1


PASSING = Behaviour()


class Proxy:
    """Passes on to ``upstream``, a port of 127.0.0.1, until it is told to behave otherwise."""

    def __init__(self, upstream: int) -> None:
        self.port = free_port()
        self.behaviour = PASSING
        self.cuts = 0
        self._upstream = upstream
        self._chance = random.Random(0)
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def behave(self, behaviour: Behaviour, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self.behaviour = behaviour

    def pass_all(self) -> None:
        """Behave again; connections on which silence fell go on as if nothing had been."""
        self.behaviour = PASSING

    def cut_all(self) -> None:
        """Break every connection there is."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def close(self) -> None:
        self._listener.close()
        self.pass_all()
        self.cut_all()

    def is_cut(self, data: bytes) -> Literal["before", "after"] | None:
        behaviour = self.behaviour
        if behaviour.cut is None or behaviour.trigger not in data:
            return None
        with self._lock:
            is_chosen = self._chance.random() < behaviour.share
            self.cuts += is_chosen
        return behaviour.cut if is_chosen else None

    def forget(self, link: "_Link") -> None:
        with self._lock:
            self._links.discard(link)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.behaviour.refuses:
                client.close()
                continue
            link = _Link(self, client)
            with self._lock:
                self._links.add(link)
            threading.Thread(target=link.run, args=(self._upstream,), daemon=True).start()


class _Link:
    """One connection through the proxy, and its two directions."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._swallows = False
        self._is_closed = False

    def run(self, upstream: int) -> None:
        try:
            self._server = socket.create_connection(("127.0.0.1", upstream))
            for end in (self._client, self._server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # nobody there, or cut meanwhile
            self.close()
            return
        threading.Thread(target=self._pump_replies, daemon=True).start()
        self._pump_requests()

    def close(self) -> None:
        self._is_closed = True
        for end in (self._client, self._server):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._proxy.forget(self)

    def _pump_requests(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(CHUNK):
                self._wait_for_silence_to_end()
                how = self._proxy.is_cut(data)
                if how == "before":
                    break
                self._swallows = self._swallows or how == "after"
                self._server.sendall(data)
        self.close()

    def _pump_replies(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(CHUNK):
                self._wait_for_silence_to_end()
                if self._swallows:
                    break
                time.sleep(self._proxy.behaviour.delay_s)
                self._client.sendall(data)
        self.close()

    def _wait_for_silence_to_end(self) -> None:
        while self._proxy.behaviour.is_silent and not self._is_closed:
            time.sleep(_GLANCE_S)
