"""The far side of webhooks and bots: an HTTP server that keeps what it got."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


Reply = tuple[int, dict[str, str], bytes]
OK: Reply = (200, {}, b"")


@dataclass
class Receiver:
    """Answers what ``answer`` says of each request; 200 and nothing when it is not set."""

    answer: Callable[[Got], Reply] = lambda _got: OK
    got: list[Got] = field(default_factory=list)

    def __enter__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(self.path, headers, body)
                outer.got.append(got)
                status, extra, answer = outer.answer(got)
                self.send_response(status)
                for name, value in {**extra, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def do_PUT(self):
                self.do_POST()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _said(**answer) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def _mac(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def wecom(got: Got) -> Reply:
    """As WeCom's group bots answer: text of at most 2048 bytes."""
    if got.query.get("key") != "bot-key":
        return _said(errcode=93000, errmsg="invalid webhook url")
    text = got.json["text"]["content"]
    if got.json["msgtype"] != "text" or len(text.encode()) > 2048:
        return _said(errcode=40058, errmsg="text exceed max length 2048")
    return _said(errcode=0, errmsg="ok")


def feishu(got: Got, secret: str = "feishu secret") -> Reply:
    """As Feishu's custom bots answer, with signatures switched on."""
    message = got.json
    key = f"{message.get('timestamp')}\n{secret}"
    if message.get("sign") != _mac(key, ""):
        text = "sign match fail or timestamp is not within one hour from current time"
        return _said(code=19021, data={}, msg=text)
    if message["msg_type"] != "text" or not message["content"]["text"]:
        return _said(code=9499, data={}, msg="Bad Request")
    return _said(code=0, data={}, msg="success", StatusCode=0, StatusMessage="success", Extra=None)


def dingtalk(got: Got, secret: str = "SECdingtalk") -> Reply:
    """As DingTalk's custom bots answer, with signatures switched on."""
    query = got.query
    if query.get("access_token") != "bot token":
        return _said(errcode=300001, errmsg="token is not exist")
    if query.get("sign") != _mac(secret, f"{query.get('timestamp')}\n{secret}"):
        return _said(errcode=310000, errmsg="sign not match, more: [https://ding.example]")
    if got.json["msgtype"] != "text" or not got.json["text"]["content"]:
        return _said(errcode=40035, errmsg="invalid parameters")
    return _said(errcode=0, errmsg="ok")
