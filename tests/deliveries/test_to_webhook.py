"""Files to somebody's program: signed, retried, never led elsewhere."""

import hashlib
import textwrap
import threading
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from types import SimpleNamespace

import pytest
from app.alerts import signing
from app.config import Settings
from app.deliveries import sending
from app.deliveries.sending import Ways
from app.deliveries.to_webhook import ToWebhook
from app.outbound import AddressRefused, Bounds, Outbound

from fakes.receiver import Receiver
from moments import NOW

pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)


@pytest.fixture
def far():
    with Receiver() as server:
        yield server


@pytest.fixture(scope="module")
def is_ours():
    """The check that docs/deliveries.md gives to receivers."""
    page = Path(__file__).parents[2].joinpath("docs/deliveries.md").read_text("utf-8")
    code = page[page.index("    import base64, hashlib") :]
    code = code[: code.index("\n\n`webhook-id` is")]
    known = {}
    exec(textwrap.dedent(code), known)
    known["time"] = SimpleNamespace(time=NOW.timestamp)
    return known["is_ours"]


def is_signed(got, secret, body=None):
    wanted = signing.webhook_headers(
        got.headers["webhook-id"],
        got.body if body is None else body,
        epoch_s=int(got.headers["webhook-timestamp"]),
        secrets=[secret],
    )
    return got.headers["webhook-signature"] == wanted["webhook-signature"]


def parts_of(got):
    head = f"Content-Type: {got.headers['content-type']}\r\n\r\n".encode()
    return list(message_from_bytes(head + got.body, policy=HTTP).iter_parts())


def test_small_files_come_with_the_manifest_after_a_500_once_in_effect(depot, far):
    id_, secret = depot.add("webhook", url=f"{far.url}/hook?key=1")
    answers = [(500, {}, b""), (200, {}, b"")]
    far.answer = lambda _got: answers.pop(0)
    delivery = depot.order(id_)
    depot.send()
    waiting = depot.delivery(delivery)
    assert (waiting.status, waiting.error) == ("pending", "HTTP 500: it was not taken")
    assert depot.send() == 0
    depot.now = waiting.due_at
    depot.send()
    first, second = far.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "june"
    assert first.path == "/hook?key=1"
    assert is_signed(second, secret)
    event, file = parts_of(second)
    assert b'"sums":{"charge":"2"}' in event.get_content()
    assert hashlib.sha256(file.get_payload(decode=True)).hexdigest() in event.get_content().decode()
    assert depot.delivery(delivery).status == "delivered"
    assert depot.outcomes == [("webhook", "failed"), ("webhook", "delivered")]


def test_large_files_are_put_before_the_manifest_signed_by_their_hash(depot, far, is_ours):
    id_, secret = depot.add("webhook", url=f"{far.url}/hook?key=1")
    big = depot.file("größer.bin", b"x" * 3_000_000, "application/octet-stream")
    delivery = depot.order(id_, big, depot.file())
    depot.send()
    assert depot.delivery(delivery).error is None
    put, other, post = far.got
    assert put.path == "/hook/june/gr%C3%B6%C3%9Fer.bin?key=1"
    assert put.body == b"x" * 3_000_000
    assert put.headers["content-type"] == "application/octet-stream"
    assert is_signed(put, secret, big.sha256.encode())
    assert other.path == "/hook/june/report.csv?key=1"
    assert post.json["data"]["transfer"] == "put"
    assert [one["name"] for one in post.json["data"]["files"]] == ["größer.bin", "report.csv"]
    assert is_signed(post, secret)
    assert is_ours(secret, post.headers, post.body)
    assert is_ours(secret, put.headers, hashlib.sha256(put.body).hexdigest().encode())
    assert not is_ours(secret, post.headers, post.body + b" ")


def test_redirects_are_refused_410_ends_it_and_retry_after_is_believed(depot, far):
    id_, _ = depot.add("webhook", url=far.url)
    answers = [
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (503, {"Retry-After": "7200"}, b""),
        (410, {}, b""),
    ]
    far.answer = lambda _got: answers.pop(0)
    delivery = depot.order(id_)
    depot.send()
    assert "redirects are not followed" in depot.delivery(delivery).error
    depot.now = depot.delivery(delivery).due_at
    depot.send()
    assert (depot.delivery(delivery).due_at - depot.now).total_seconds() == 7200
    depot.now = depot.delivery(delivery).due_at
    depot.send()
    assert depot.delivery(delivery).status == "dead"


def test_one_that_drips_is_hung_up_on(depot, far):
    bounds = Bounds(bytes_max=1000, connect_s=1, read_s=1, total_s=0.3)
    slow = Outbound(bounds, permitted_by="x", allow_private=True)
    way = ToWebhook(slow, slow, 1000)
    depot.ways = Ways({"webhook": way.carry}, {"webhook": way.probe})
    id_, _ = depot.add("webhook", url=far.url)
    is_over = threading.Event()
    far.answer = lambda _got: (200, {}, b"x" * is_over.wait(3))
    delivery = depot.order(id_)
    depot.send()
    is_over.set()
    assert "did not answer in time" in depot.delivery(delivery).error


def test_a_private_one_is_called_only_where_the_settings_permit_it(depot, far):
    id_, _ = depot.add("webhook", url=far.url)
    assert "took a signed test message" in depot.probe(id_)
    depot.ways = sending.ways(Settings())
    id_, _ = depot.add("webhook", "private", url="https://127.0.0.1/hook")
    with pytest.raises(AddressRefused, match="allow_private_addresses"):
        depot.probe(id_)
