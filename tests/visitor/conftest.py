"""A house with two links, two visitors, and browsers for them."""

import dataclasses
import itertools
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from app.codes import commands as code_commands
from app.codes.commands import BatchSpec
from app.factory import create_app
from app.funding import changes
from app.funding.changes import Change
from app.links import commands as link_commands
from app.links.commands import LinkSpec
from app.tokens import commands as token_commands
from app.tokens import issuer_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL, IssuerSpec
from app.users import commands as user_commands
from app.users import store as user_store
from app.users.commands import UserSpec

from admin_builders import ACTOR, Browser, House

NANO = 1_000_000_000
SECRET = "p" * 64
SHARE_URL = "https://fastgpt.example/chat/share?shareId=abc123"


class Portal:
    """The page of one house, its visitors and what lets them in."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._numbers = itertools.count(1)
        self.do(
            issuer_commands.create_issuer,
            IssuerSpec(name="portal", algorithms=("HS256",), secrets=(SECRET,)),
            keys=self.keys,
        )
        self.link_id, self.link_key = self.make_link("helpdesk", share_url=SHARE_URL)
        self.other_id, _ = self.make_link("library", share_url=SHARE_URL + "4")

    @property
    def keys(self) -> Any:
        return self.house.runtime.keys

    def do(self, command: Any, *args: Any, **more: Any) -> Any:
        """One command in a transaction of its own; every worker hears of it."""
        with self.house.db.begin() as session:
            done = command(session, *args, actor=ACTOR, now=self.house.now, **more)
        self.house.runtime.announce()
        return done

    def make_link(self, name: str, **spec: Any) -> tuple[int, str]:
        made = self.do(link_commands.create, LinkSpec(name=name, **spec), keys=self.keys)
        with self.house.db.read() as session:
            return session.merge(made.link, load=False).id, made.key

    def add_user(self, **spec: Any) -> int:
        """A user of our own; their id."""
        subject = f"person{next(self._numbers)}"
        with self.house.db.begin() as session:
            issuer = token_store.get_issuer(session, LOCAL)
            made = UserSpec(issuer_id=issuer.id, subject=subject, **spec)
            uid = self.keys.uid(LOCAL, subject)
            return user_commands.create(session, made, uid=uid, actor=ACTOR, now=self.house.now).id

    def change_user(self, command: Any, user_id: int, **more: Any) -> None:
        def changed(session: Any, **known: Any) -> None:
            command(session, user_store.find_by_id(session, user_id), **known, **more)

        self.do(changed)

    def mint(self, user_id: int, **spec: Any) -> str:
        made = MintSpec(user_id=user_id, **spec)
        return str(self.do(token_commands.mint, made, keys=self.keys).text)

    def jwt(self, subject: str, *, lasts_s: int = 600, **claims: Any) -> str:
        now = self.house.now
        said = {
            "iss": "portal",
            "sub": subject,
            "iat": now,
            "exp": now + timedelta(seconds=lasts_s),
        }
        return jwt.encode({**said, **claims}, SECRET, algorithm="HS256")

    def top_up(self, user_id: int, amount: int) -> None:
        change = Change(
            user_id=user_id, amount=amount, currency="CNY", reason="tests",
            idempotency_key=uuid.uuid4().hex,
        )  # fmt: skip
        funded = changes.top_up(self.house.db, change, actor=ACTOR, now=self.house.now)
        self.house.runtime.gate.set_balance(funded.user_id, funded.balance, funded.version)

    def code(self, amount: int = 20 * NANO, **more: Any) -> str:
        """A redemption code as it is printed."""
        name = f"batch{next(self._numbers)}"
        spec = BatchSpec(name=name, amount=amount, currency="CNY", count=1, **more)
        with self.house.db.begin() as session:
            known = {"keys": self.keys, "actor": ACTOR, "now": self.house.now}
            batch = code_commands.create(session, spec, **known)
            return str(code_commands.load_printable(session, batch, **known)[0].text)

    def hook(self, name: str, token: str, **body: Any) -> dict[str, Any]:
        """FastGPT's call on the first link."""
        return (
            self.house.app.test_client()
            .post(f"/l/{self.link_key}/shareAuth/{name}", json={"token": token, **body})
            .get_json()
        )

    def ask(self, token: str, model: str = "gpt-4o", points: float = 2) -> str:
        """One question with its answer; the reference of the answer."""
        assert self.hook("start", token, question="?")["success"]
        node = {
            "id": uuid.uuid4().hex, "nodeId": "n", "moduleType": "chatNode", "model": model,
            "inputTokens": 10, "outputTokens": 5, "totalPoints": points,
        }  # fmt: skip
        answer = self.hook("finish", token, responseData=[node], appName="Help")
        assert answer["success"], answer
        return str(answer["reference"])

    def stranger(self, **settings: Any) -> Browser:
        """Somebody who is not in; with ``settings`` of the page, if any."""
        if not settings:
            return Browser(self.house.app.test_client())
        old = self.house.settings
        visitor = old.visitor.model_validate({**old.visitor.model_dump(), **settings})
        changed = old.model_copy(update={"visitor": visitor})
        runtime = dataclasses.replace(self.house.runtime, settings=changed)
        return Browser(create_app(changed, runtime).test_client())

    def visitor(self, user_id: int, lang: str = "en") -> Browser:
        """A browser in which that user is in."""
        browser = self.stranger()
        browser.get(f"/me?lang={lang}&token={self.mint(user_id)}")
        return browser


@pytest.fixture(scope="module")
def portal(tmp_path_factory, sqlite_template, valkey_url) -> Iterator[Portal]:
    house = House(
        tmp_path_factory.mktemp("house"), sqlite_template, valkey_url, f"v{uuid.uuid4().hex[:12]}"
    )
    yield Portal(house)
    house.close()
