"""What a view of the admin works with: the service's collaborators, who asks, and when."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from sqlalchemy.orm import Session

from app import revision
from app.admission.gate import Gate
from app.audit.journal import Actor
from app.config import Settings
from app.db import Database
from app.errors import Forbidden, NotFound
from app.keys import Keys
from app.runtime import Runtime


class WholeHouseOnly(Forbidden):
    """Somebody who may see certain links only asks for what is shared by all."""

    status = 403
    code = "not_allowed"


class NotPermitted(Forbidden):
    """A view shows something that their role does not let them see."""

    status = 403
    code = "not_allowed"


@dataclass(frozen=True, slots=True)
class Caller:
    """An operator in a browser, or a program with a token of theirs."""

    operator_id: int
    name: str
    role: str
    permissions: frozenset[str]
    link_ids: frozenset[int] | None
    """The only links they may see; None: all."""
    session_id: int | None = None
    token_id: int | None = None
    locale: str | None = None
    is_complete: bool = True
    must_change_password: bool = False
    must_enrol: bool = False
    """A second factor is required and they have none yet."""


class Moved(Protocol):
    """A wallet after money moved, as ``funding`` returns it."""

    @property
    def user_id(self) -> int: ...
    @property
    def balance(self) -> int: ...
    @property
    def version(self) -> int: ...


class Desk:
    """One request's. ``caller`` is None on the pages before the sign-in."""

    def __init__(
        self, runtime: Runtime, caller: Caller | None, now: datetime, *, address: str
    ) -> None:
        self.runtime = runtime
        self.now = now
        self.address = address
        self.visitor = caller

    @property
    def caller(self) -> Caller:
        """Who is signed in; only for views that need a permission."""
        if self.visitor is None:
            raise AssertionError("a view that is public asks who is signed in")
        return self.visitor

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def db(self) -> Database:
        return self.runtime.db

    @property
    def keys(self) -> Keys:
        return self.runtime.keys

    @property
    def gate(self) -> Gate:
        return self.runtime.gate

    @cached_property
    def actor(self) -> Actor:
        """Who the audit says it was."""
        if self.visitor is None:
            return Actor("nobody", "admin", self.address)
        source = "api" if self.visitor.token_id is not None else "admin"
        return Actor(self.visitor.name, source, self.address)

    def may(self, permission: str) -> bool:
        return self.visitor is not None and permission in self.visitor.permissions

    def sees_link(self, link_id: int | None) -> bool:
        scope = self.caller.link_ids
        return scope is None or link_id in scope

    def check_link(self, link_id: int | None) -> None:
        """Raises: NotFound, as for a link that is not there, when it is not theirs to see."""
        if not self.sees_link(link_id):
            raise NotFound("there is no such link", code="link_not_found")

    def check_whole_house(self) -> None:
        """Raises: WholeHouseOnly, when they may see certain links only."""
        if self.caller.link_ids is not None:
            raise WholeHouseOnly("you may work with certain links only")

    def check_permissions(self, *permissions: str) -> None:
        """For a view that needs more than the one it names.

        Raises: NotPermitted, for the first that they do not have.
        """
        for permission in permissions:
            if not self.may(permission):
                raise NotPermitted(f"this needs the permission {permission}")

    @contextlib.contextmanager
    def change(self) -> Iterator[Session]:
        """One transaction; when it commits, every worker hears that links or users have changed."""
        with self.db.begin() as session:
            before = revision.current(session)
            yield session
            after = revision.current(session)
        if after > before:
            self.gate.announce(after)

    def tell_balance(self, moved: Moved) -> None:
        """Have the gate take the balance that the ledger holds now."""
        self.gate.set_balance(moved.user_id, moved.balance, moved.version)
