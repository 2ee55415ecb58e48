"""The proxy cuts where it says: before the server hears, or before the client does."""

import contextlib
import socket
import threading

import pytest

from faults.proxy import Behaviour, Proxy


class Echo:
    """Answers each message with itself, and remembers it."""

    def __init__(self):
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(100):
                self.heard.append(data)
                connection.sendall(data)


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.listener.close()


@pytest.fixture
def proxy(echo):
    made = Proxy(echo.port)
    yield made
    made.close()


def ask(proxy, message):
    """The answer; nothing when the connection broke."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        try:
            connection.sendall(message)
            return connection.recv(100)
        except ConnectionError:
            return b""


def test_everything_passes(proxy):
    assert ask(proxy, b"COMMIT") == b"COMMIT"


def test_cut_before_the_server_hears(proxy, echo):
    proxy.behave(Behaviour(cut="before", trigger=b"COMMIT"))
    assert ask(proxy, b"SELECT") == b"SELECT"
    assert ask(proxy, b"COMMIT") == b""
    assert echo.heard == [b"SELECT"]


def test_cut_after_the_server_has_answered(proxy, echo):
    proxy.behave(Behaviour(cut="after", trigger=b"COMMIT"))
    assert ask(proxy, b"COMMIT") == b""
    assert echo.heard == [b"COMMIT"]
    proxy.pass_all()
    assert ask(proxy, b"COMMIT") == b"COMMIT"


def test_silence_ends_as_if_nothing_had_been(proxy):
    proxy.behave(Behaviour(is_silent=True))
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(proxy, b"x")))
    asking.start()
    asking.join(0.2)
    assert answers == []
    proxy.pass_all()
    asking.join()
    assert answers == [b"x"]


def test_nobody_gets_through(proxy, echo):
    proxy.behave(Behaviour(refuses=True))
    assert ask(proxy, b"x") == b""
    assert echo.heard == []
