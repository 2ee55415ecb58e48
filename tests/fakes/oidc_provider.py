"""An OpenID Connect provider on a real socket: discovery, a login form, codes with PKCE, RS256.

A browser sees a form with a button for each person; a test may call ``answer_for`` and skip it.
"""

import base64
import hashlib
import html
import json
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "shareauth"
CLIENT_SECRET = "a client secret for tests"
TOKEN_S = 300


@dataclass
class Grant:
    """What a code stands for until it is exchanged, once."""

    user: str
    asked: dict[str, str]


@dataclass
class OidcProvider:
    """Use it as a context manager. ``people`` is what it knows of whom, by their subject."""

    people: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "1-anna": {
                "preferred_username": "anna",
                "name": "Anna Owner",
                "email": "anna@corp.example",
                "groups": ["staff", "owners"],
            },
            "2-ben": {
                "preferred_username": "ben",
                "name": "Ben Reader",
                "email": "ben@corp.example",
                "groups": ["staff"],
            },
            "3-eve": {"preferred_username": "eve", "name": "Eve Outside", "groups": ["guests"]},
        }
    )
    spoil: dict[str, Any] = field(default_factory=dict)
    """Claims of ID tokens that replace the right ones."""
    groups_in_userinfo: bool = False
    error: str | None = None
    """Answered instead of a code."""
    forwards_issuer: str | None = None
    """Named as the issuer in the discovery document instead of our own."""
    verifiers: list[str] = field(default_factory=list)
    """The PKCE verifiers that came with codes."""

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.signing_key = self.key
        self.grants: dict[str, Grant] = {}
        self.access: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/realm"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer_for(self, address: str, user: str) -> str:
        """Where the browser is sent back to when ``user`` logs in at ``address``."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        return self.granted(asked, user)

    def granted(self, asked: dict[str, str], user: str) -> str:
        assert asked["client_id"] == CLIENT_ID, asked
        assert asked["response_type"] == "code", asked
        assert asked["code_challenge_method"] == "S256", asked
        assert "openid" in asked["scope"].split(), asked
        answer = {"state": asked["state"], "iss": self.issuer}
        if self.error:
            answer |= {"error": self.error, "error_description": "The owner said no."}
        else:
            code = secrets.token_urlsafe(16)
            self.grants[code] = Grant(user, asked)
            answer["code"] = code
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def discovery(self) -> dict[str, Any]:
        here = self.issuer
        return {
            "issuer": self.forwards_issuer or here,
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": f"{here}/token",
            "userinfo_endpoint": f"{here}/userinfo",
            "jwks_uri": f"{here}/jwks",
            "end_session_endpoint": f"{here}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def jwks(self) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "k1", "alg": "RS256", "use": "sig"}]}

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        grant = self.grants.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        self.verifiers.append(verifier)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            grant is None
            or challenge != grant.asked["code_challenge"]
            or form.get("redirect_uri") != grant.asked["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant", "error_description": "This code is no good."}
        access = secrets.token_urlsafe(16)
        self.access[access] = grant.user
        return 200, {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN_S,
            "id_token": self.id_token(grant),
        }

    def id_token(self, grant: Grant) -> str:
        now = int(datetime.now(UTC).timestamp())
        known = dict(self.people[grant.user])
        if self.groups_in_userinfo:
            known.pop("groups", None)
        claims = {
            "iss": self.issuer,
            "sub": grant.user,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + TOKEN_S,
            "nonce": grant.asked.get("nonce"),
            **known,
            **self.spoil,
        }
        return jwt.encode(claims, self.signing_key, "RS256", headers={"kid": "k1"})

    def form(self, query: str) -> str:
        asked = parse_qs(query)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(values[0])}">'
            for name, values in asked.items()
        )
        buttons = "".join(
            f'<p><button name="user" value="{subject}">{html.escape(known["name"])}</button></p>'
            for subject, known in self.people.items()
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign-on</title>'
            f'</head><body><main><h1>Who are you?</h1><form method="post" action="authorize">'
            f"{hidden}{buttons}</form></main></body></html>"
        )


def _handler(fake: OidcProvider) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a small server
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            match url.path.removeprefix("/realm"):
                case "/.well-known/openid-configuration":
                    self._json(200, fake.discovery())
                case "/jwks":
                    self._json(200, fake.jwks())
                case "/authorize":
                    self._answer(200, "text/html; charset=utf-8", fake.form(url.query).encode())
                case "/userinfo":
                    self._userinfo()
                case "/logout":
                    back = parse_qs(url.query)["post_logout_redirect_uri"][0]
                    self._redirect(back)
                case _:
                    self._json(404, {"error": "not_found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if self.path.endswith("/authorize"):
                self._redirect(fake.granted(form, form.pop("user")))
            elif self.path.endswith("/token"):
                self._json(*fake.exchange(form, self.headers.get("Authorization", "")))
            else:
                self._json(404, {"error": "not_found"})

        def _userinfo(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            user = fake.access.get(token)
            if user is None:
                self._json(401, {"error": "invalid_token"})
            else:
                self._json(200, {"sub": user, **fake.people[user]})

        def _json(self, status: int, document: dict[str, Any]) -> None:
            self._answer(status, "application/json", json.dumps(document).encode())

        def _redirect(self, location: str) -> None:
            self._answer(302, "text/plain", b"", location)

        def _answer(self, status: int, kind: str, body: bytes, location: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if location is not None:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
