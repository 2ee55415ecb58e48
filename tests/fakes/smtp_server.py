"""A small SMTP server: STARTTLS or TLS, AUTH PLAIN, and the messages it took."""

import base64
import datetime as dt
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Mail:
    sender: str
    recipients: list[str]
    message: EmailMessage
    login: str | None
    is_encrypted: bool


@dataclass
class SmtpServer:
    """``refused`` recipients get 550; with ``login`` nobody else may send."""

    tls: ssl.SSLContext | None = None
    is_tls_from_start: bool = False
    login: str | None = None
    refused: set[str] = field(default_factory=set)
    got: list[Mail] = field(default_factory=list)

    def __enter__(self):
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                _Talk(outer, self.request).run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Talk:
    def __init__(self, server: SmtpServer, connection: socket.socket):
        self.server = server
        self.encrypted = False
        self.login = None
        self.sender, self.recipients = "", []
        self.take(connection)
        if server.is_tls_from_start:
            self.encrypt()

    def take(self, connection):
        self.connection = connection
        self.lines = connection.makefile("rb")

    def encrypt(self):
        self.take(self.server.tls.wrap_socket(self.connection, server_side=True))
        self.encrypted = True

    def say(self, text):
        self.connection.sendall(f"{text}\r\n".encode())

    def run(self):
        self.say("220 fake ESMTP")
        while line := self.lines.readline():
            text = line.decode().strip()
            verb = text.partition(" ")[0].upper()
            if verb == "QUIT":
                self.say("221 bye")
                break
            getattr(self, f"on_{verb.lower()}", lambda _text: self.say("502 no such"))(text)
        self.connection.close()

    def on_ehlo(self, _text):
        self.say("250-fake")
        if self.server.tls and not self.encrypted:
            self.say("250-STARTTLS")
        self.say("250 AUTH PLAIN")

    def on_starttls(self, _text):
        self.say("220 go on")
        self.encrypt()

    def on_auth(self, text):
        _, name, password = base64.b64decode(text.split(" ")[2]).split(b"\0")
        self.login = f"{name.decode()}:{password.decode()}"
        is_right = self.login == self.server.login
        self.say("235 welcome" if is_right else "535 wrong")

    def on_mail(self, text):
        if self.server.login not in (None, self.login):
            self.say("530 log in first")
            return
        self.sender = text.partition("<")[2].partition(">")[0]
        self.recipients = []
        self.say("250 ok")

    def on_rcpt(self, text):
        recipient = text.partition("<")[2].partition(">")[0]
        if recipient in self.server.refused:
            self.say("550 unknown")
            return
        self.recipients.append(recipient)
        self.say("250 ok")

    def on_rset(self, _text):
        self.say("250 ok")

    def on_data(self, _text):
        self.say("354 go on")
        whole = b""
        while (line := self.lines.readline()) != b".\r\n":
            whole += line.removeprefix(b".") if line.startswith(b"..") else line
        message = message_from_bytes(whole, policy=default)
        self.server.got.append(
            Mail(self.sender, self.recipients, message, self.login, self.encrypted)
        )
        self.say("250 queued")


def make_certificate(path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server at 127.0.0.1 and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made_at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(made_at)
        .not_valid_after(made_at + dt.timedelta(days=36500))
        .add_extension(address, False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    return serving, ssl.create_default_context(cafile=str(path))
