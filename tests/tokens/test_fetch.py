"""Where key sets may be fetched from, and how much is taken."""

import datetime as dt
import socket
import ssl

import pytest
from app.tokens import fetch
from app.tokens.fetch import Fetcher, FetchFailed, FetchRefused
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from fakes.jwks import JwksServer
from fakes.signers import signer


@pytest.fixture
def server():
    with JwksServer() as fake:
        fake.body = b"document"
        yield fake


def resolving_to(monkeypatch, *addresses: str) -> list[str]:
    """Make every name resolve to these; returns the names asked for."""
    asked = []
    real = socket.getaddrinfo

    def answer(host, port, *args, **kwargs):
        if host in addresses or host == "127.0.0.1":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_document_is_fetched_with_query_and_host(server):
    assert Fetcher(allow_private=True)(server.url) == b"document"
    assert server.hosts == [f"127.0.0.1:{server.port}"]


def test_name_is_resolved_once_and_the_connection_goes_there(server, monkeypatch):
    """A name server that answers differently the second time has no second time."""
    asked = resolving_to(monkeypatch, "127.0.0.1")
    url = f"http://issuer.example:{server.port}/jwks"
    assert Fetcher(allow_private=True)(url) == b"document"
    assert asked == ["issuer.example"]
    assert server.hosts == [f"issuer.example:{server.port}"]


def test_public_name_with_a_private_address_is_refused(server, monkeypatch):
    resolving_to(monkeypatch, "8.8.8.8", "127.0.0.1")
    with pytest.raises(FetchRefused):
        Fetcher()(f"https://issuer.example:{server.port}/jwks")
    assert server.fetches == 0


@pytest.mark.parametrize(
    "url",
    ["http://8.8.8.8/jwks", "ftp://8.8.8.8/", "file:///etc/passwd", "https://", "gopher://x/",
     "https://user@8.8.8.8/jwks"],
)  # fmt: skip
def test_only_https_is_spoken(url):
    with pytest.raises(FetchRefused):
        Fetcher()(url)


def test_http_needs_private_addresses_to_be_allowed(server):
    with pytest.raises(FetchRefused):
        Fetcher()(server.url)


def test_redirects_are_not_followed(server):
    with JwksServer() as other:
        server.status, server.location = 302, other.url
        with pytest.raises(FetchFailed, match="302"):
            Fetcher(allow_private=True)(server.url)
        assert other.fetches == 0


def test_document_that_is_too_large_is_refused(server):
    server.body = b"x" * (fetch.BYTES_MAX + 1)
    with pytest.raises(FetchFailed, match="larger"):
        Fetcher(allow_private=True)(server.url)
    server.body = b"x" * fetch.BYTES_MAX
    assert len(Fetcher(allow_private=True)(server.url)) == fetch.BYTES_MAX


def test_dripping_document_is_given_up(server, monkeypatch):
    monkeypatch.setattr(fetch, "TOTAL_S", -1)
    with pytest.raises(FetchFailed, match="in time"):
        Fetcher(allow_private=True)(server.url)


def test_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(fetch, "READ_S", 0.05)
    server.gate.clear()
    with pytest.raises(FetchFailed, match="did not answer"):
        Fetcher(allow_private=True)(server.url)


def test_closed_port_is_reported():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(FetchFailed):
            Fetcher(allow_private=True)(url)


def test_unknown_name_is_reported(monkeypatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("unknown name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(FetchFailed, match="resolved"):
        Fetcher()("https://issuer.example/jwks")


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for issuer.example, as a file with its key."""
    key = signer("RS256").private
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer.example")])
    made_at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(made_at)
        .not_valid_after(made_at + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("issuer.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_certificate_is_checked_against_the_name_though_the_address_is_pinned(
    certificate, monkeypatch
):
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    resolving_to(monkeypatch, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(certificate))
    with JwksServer() as server:
        server.body = b"document"
        server._server.socket = serving.wrap_socket(server._server.socket, server_side=True)
        server._server.handle_error = lambda *_: None
        good = f"https://issuer.example:{server.port}/jwks"
        assert Fetcher(allow_private=True, tls=trusting)(good) == b"document"
        with pytest.raises(FetchFailed):
            Fetcher(allow_private=True, tls=trusting)(f"https://evil.example:{server.port}/jwks")
        with pytest.raises(FetchFailed):
            Fetcher(allow_private=True)(good)  # not an authority the system trusts
