"""Which addresses of an operator's text may be called at all, and for how long."""

import contextlib
import socket
import threading
from ipaddress import ip_address

import pytest
from app.outbound import Bounds, NoAnswer, Outbound, Request, is_allowed

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "::1", "fc00::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "192.0.2.1", "240.0.0.1", "2001:db8::1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "169.254.1.1", "100.100.100.200", "fd00:ec2::254", "fe80::1", "0.0.0.0",
    "::", "224.0.0.1", "ff02::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_allowed(address):
    assert is_allowed(ip_address(address), allow_private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address):
    assert not is_allowed(ip_address(address), allow_private=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fd12::1", "100.64.0.1"])
def test_private_addresses_can_be_allowed(address):
    assert is_allowed(ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_addresses_are_never_allowed(address):
    assert not is_allowed(ip_address(address), allow_private=True)
    assert not is_allowed(ip_address(address), allow_private=False)


def test_answer_that_drips_is_hung_up_on():
    """Each byte comes in time; the whole would take for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopped = threading.Event()

        def drip():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not stopped.wait(0.02):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        call = Outbound(Bounds(1000, 5, 5, 0.3), "a setting", allow_private=True)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        try:
            with pytest.raises(NoAnswer, match="in time"):
                call(Request("POST", url, {}, b"{}"))
        finally:
            stopped.set()
            dripping.join(10)
