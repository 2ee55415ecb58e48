"""The admin in this process, with operators and tokens to call it as, on a real database."""

import html
import itertools
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.audit.journal import Actor
from app.cli import foundation
from app.config import Settings
from app.factory import create_app
from app.operators import api_tokens, commands, signin
from app.operators.api_tokens import ApiTokenSpec
from app.operators.commands import OperatorSpec
from app.operators.models import Operator
from app.operators.signin import Client, Lifetimes
from app.runtime import Runtime
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ACTOR = Actor("tests", "cli")
PASSWORD = "a password for tests"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Judges passwords in no time: tests are not guessed at."""
HASH = CHEAP.hash(PASSWORD)
DAY = timedelta(days=1)
CLIENT = Client("127.0.0.1", "tests")
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


def text_of(response: TestResponse) -> str:
    """What a person reads on a page, without tags."""
    body = re.sub(r"(?s)<(script|style|svg).*?</\1>", " ", response.get_data(as_text=True))
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class Browser:
    """A signed-in operator. Follows redirects and sends the CSRF token of the last page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.csrf = ""
        self.last: TestResponse | None = None

    def get(self, path: str, status: int = 200) -> str:
        """The page's HTML."""
        return self._took(self.client.get(path, follow_redirects=True), status)

    def post(self, path: str, /, status: int = 200, **fields: Any) -> str:
        """Send a form and follow where it leads; a page must have been opened before."""
        data = {"csrf_token": self.csrf, **fields}
        return self._took(self.client.post(path, data=data, follow_redirects=True), status)

    def text(self) -> str:
        """What a person reads on the last page."""
        assert self.last is not None
        return text_of(self.last)

    def _took(self, response: TestResponse, status: int) -> str:
        self.last = response
        body = response.get_data(as_text=True)
        assert response.status_code == status, (response.status_code, body[:3000])
        if found := CSRF.search(body):
            self.csrf = found[1]
        return body


@dataclass
class Program:
    """A program with an API token."""

    client: FlaskClient
    token: str

    def call(self, method: str, path: str, status: int = 200, **sent: Any) -> Any:
        """The JSON answer of ``/admin/api/v1`` + path."""
        headers = {"Authorization": f"Bearer {self.token}", **sent.pop("headers", {})}
        response = self.client.open(f"/admin/api/v1{path}", method=method, headers=headers, **sent)
        assert response.status_code == status, (response.status_code, response.get_data())
        self.last = response
        return response.get_json() if response.data else None

    def get(self, path: str, status: int = 200, **sent: Any) -> Any:
        return self.call("GET", path, status, **sent)

    def post(self, path: str, json: Any = None, status: int = 201, **sent: Any) -> Any:
        return self.call("POST", path, status, json=json, **sent)

    def patch(self, path: str, json: Any = None, status: int = 200, **sent: Any) -> Any:
        return self.call("PATCH", path, status, json=json, **sent)


class House:
    """The application on a database of its own, with the real gate."""

    def __init__(
        self, folder: Path, template: Path, redis_url: str, namespace: str, **sections: Any
    ) -> None:
        """``sections`` are settings of their own, such as ``oidc={…}``."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "shareauth.sqlite3"
        shutil.copyfile(template, path)
        self.settings = Settings.model_validate(
            {
                "service": {
                    "data_dir": folder,
                    "secret_key": "a secret that is only good for tests, 32+",
                    "public_url": "https://auth.example",
                    "locale": "en",
                    "workers": 1,
                    **sections.pop("service", {}),
                },
                "database": {"url": f"sqlite:///{path}"},
                "redis": {"url": redis_url, "namespace": namespace, "timeout_ms": 2000},
                "admin": {"api_calls_per_minute": 1_000_000, **sections.pop("admin", {})},
                **sections,
            }
        )
        self.runtime = Runtime.build(self.settings)
        self.app = create_app(self.settings, self.runtime)
        self._numbers = itertools.count(1)
        foundation.ensure(self.runtime.db, self.settings, actor=ACTOR, now=self.now)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @property
    def db(self) -> Any:
        return self.runtime.db

    def add_operator(
        self, role: str = "owner", *, link_ids: list[int] | None = None, name: str | None = None
    ) -> Operator:
        """An operator with the password ``PASSWORD`` who need not change it."""
        name = name or f"{role}{next(self._numbers)}"
        with self.db.begin() as session:
            spec = OperatorSpec.model_validate({"name": name, "role": role, "link_ids": link_ids})
            operator = commands.create(session, spec, actor=ACTOR, now=self.now).operator
            operator.password_hash = HASH
            operator.must_change_password = False
            session.flush()
            session.refresh(operator)
            session.expunge(operator)
        return operator

    def browser(
        self, role: str = "owner", *, link_ids: list[int] | None = None, locale: str = "en"
    ) -> Browser:
        """A browser in which a new operator of this role is signed in."""
        operator = self.add_operator(role, link_ids=link_ids)
        return self.browser_of(operator, locale=locale)

    def browser_of(self, operator: Operator, *, locale: str = "en") -> Browser:
        desk = signin.Desk(
            self.runtime.keys,
            CLIENT,
            Lifetimes(DAY, DAY),
            self.now,
        )
        with self.db.begin() as session:
            row = session.get(Operator, operator.id)
            secret = desk.open(session, row, method="password", is_complete=True).secret
        client = self.app.test_client()
        with client.session_transaction(path="/admin/") as cookie:
            cookie["sid"] = secret
            cookie["locale"] = locale
        return Browser(client)

    def stranger(self) -> Browser:
        """A browser in which nobody is signed in."""
        return Browser(self.app.test_client())

    def program(self, *scopes: str, role: str = "owner") -> Program:
        """A program with a new token that has these scopes."""
        owner = self.add_operator(role)
        spec = ApiTokenSpec.model_validate({"name": "tests", "scopes": scopes})
        with self.db.begin() as session:
            made = api_tokens.create(
                session, owner, spec, keys=self.runtime.keys, actor=ACTOR, now=self.now
            )
        return Program(self.app.test_client(), made.token)

    def close(self) -> None:
        self.runtime.close()
