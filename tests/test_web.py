"""Bodies, addresses and paths as they come over the wire."""

import io
from ipaddress import ip_network

import pytest
from app import web
from flask import Flask, request
from structlog.contextvars import get_contextvars
from werkzeug.exceptions import ClientDisconnected

PROXIES = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"))


@pytest.fixture
def app():
    app = Flask(__name__)
    web.install(app)
    return app


def body_of(app, data: bytes, *, bytes_max: int) -> bytes:
    with app.test_request_context("/", method="POST", data=data):
        return web.read_body(request, bytes_max=bytes_max)


def test_a_body_of_exactly_the_limit_is_taken(app):
    assert body_of(app, b"x" * 1000, bytes_max=1000) == b"x" * 1000


def test_a_larger_body_is_refused_with_its_size(app):
    with pytest.raises(web.BodyTooLarge) as caught:
        body_of(app, b"x" * 1001, bytes_max=1000)
    assert caught.value.params == {"body_bytes": 1001}


def test_an_endless_body_is_not_read_for_ever(app):
    class Endless(io.RawIOBase):
        total = 0

        def read(self, size=-1):
            self.total += size
            return b"x" * size

    source = Endless()
    with app.test_request_context("/", method="POST"):
        request.stream = source
        with pytest.raises(web.BodyTooLarge):
            web.read_body(request, bytes_max=web.CHUNK)
    assert source.total <= web.CHUNK * (web.DRAIN_FACTOR + 1)


def test_a_caller_that_hangs_up_is_no_crash(app):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise ClientDisconnected

    with app.test_request_context("/", method="POST"):
        request.stream = Broken()
        with pytest.raises(web.BodyIncomplete):
            web.read_body(request, bytes_max=10)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # a stranger's header is not believed
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # only what our proxy appended
        ("10.1.2.3", "198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_the_callers_address_is_the_nearest_untrusted_hop(app, peer, forwarded, expected):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    with app.test_request_context("/", headers=headers, environ_base={"REMOTE_ADDR": peer}):
        assert web.caller_address(PROXIES) == expected


def test_doubled_slashes_reach_the_route_without_a_redirect(app):
    app.add_url_rule("/a/b", view_func=lambda: "here")
    answer = app.test_client().get("/a///b")
    assert (answer.status_code, answer.text) == (200, "here")


def test_every_answer_names_its_request(app):
    app.add_url_rule("/x", view_func=lambda: "x")
    first, second = (app.test_client().get("/x").headers["X-Request-Id"] for _ in range(2))
    assert len(first) == 10
    assert first != second


def test_a_request_id_is_in_the_log_while_the_request_lasts_and_no_longer(app):
    seen = []
    app.add_url_rule("/", view_func=lambda: seen.append(get_contextvars()) or "")
    answer = app.test_client().get("/")
    assert seen == [{"request_id": answer.headers["X-Request-Id"]}]
    assert get_contextvars() == {}
