"""init and start: who is this visitor, and may they ask this question now."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.admission.gate import Admission, Ask, Gate, Periods, Seeds, StaleMemory
from app.db import DatabaseAway
from app.errors import Denied, ServiceError, Unavailable
from app.turns.books import Books
from app.turns.doors import Door
from app.turns.endurance import Endurance
from app.turns.freshness import Freshness
from app.turns.household import Household
from app.turns.identify import Directory, Recognised
from app.turns.link_context import PlanContext, Purpose, Visitor
from app.turns.price_shelf import PriceShelf

STALE_ATTEMPTS = 3
TICKET_BYTES = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that may be asked."""

    visitor: Visitor
    admission: Admission


class Visits:
    """The two hooks that let a visitor in. In the steady state: no SQL, one call to Redis each."""

    def __init__(
        self,
        *,
        gate: Gate,
        directory: Directory,
        freshness: Freshness,
        shelf: PriceShelf,
        books: Books,
        endurance: Endurance,
    ) -> None:
        self._gate = gate
        self._directory = directory
        self._freshness = freshness
        self._shelf = shelf
        self._books = books
        self._endurance = endurance

    def open(self, door: Door, token: str | None, now: datetime) -> Visitor:
        """Say who holds the token. Free, idempotent, counted against no limit.

        Raises:
            Denied: the link or the token is not good, or the visitor is suspended.
            Unavailable: it cannot be told now.
        """
        self._endurance.check()
        self._freshness.check(now)
        return self._identify(door, token, now, "open")

    def recognise(self, token: str | None, now: datetime) -> Recognised:
        """Say who holds the token, for the visitor's own page.

        Raises:
            Denied, Unavailable: as ``Directory.recognise`` says.
        """
        self._freshness.check(now)
        return self._directory.recognise(token, now)

    def household(self, now: datetime) -> Household:
        """The issuers and plans of now."""
        self._freshness.check(now)
        return self._directory.household()

    def welcome(self, user_id: int, plan: PlanContext, periods: Periods, now: datetime) -> None:
        """Give who has come to their own page the plan's credit of the month, if it is due.

        As their first question of the month would; nobody is welcomed who is a guest.
        """
        try:
            given = self._books.give_monthly(user_id, plan, periods, now)
        except DatabaseAway:  # nothing is lost: it is given when they ask
            return
        if given is not None:
            self._gate.set_balance(user_id, *given)

    def ask(self, door: Door, token: str | None, now: datetime) -> Asked:
        """Admit one question, or refuse it and consume nothing.

        What this worker remembers is compared with the last announced change inside the gate's
        own step, so that a start needs one round trip and yet never uses a stale plan.

        Raises:
            Denied: as for ``open``, or one of the rules of admission says no.
            Unavailable: it cannot be told now.
        """
        self._endurance.check()
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        for _ in range(STALE_ATTEMPTS):
            try:
                visitor = self._identify(door, token, now, "ask")
            except Denied:
                # The gate was not reached to compare: an old memory must not refuse anybody.
                if self._freshness.check(now):
                    continue
                raise
            try:
                with speaking_to(visitor):
                    admission = self._admit(visitor, ticket, now)
            except StaleMemory as stale:
                self._freshness.catch_up(stale.announced, now)
                continue
            if admission.mode == "gate" or not self._freshness.check(now):
                return Asked(visitor, admission)
            # Redis is away and something has changed: the decision was made on old facts.
            self._gate.cancel(self._ask(visitor, ticket, now))
        raise Unavailable("links or users keep changing faster than they can be read")

    def _identify(self, door: Door, token: str | None, now: datetime, purpose: Purpose) -> Visitor:
        return self._directory.identify(door.enter(self._directory, now), token, now, purpose)

    def _admit(self, visitor: Visitor, ticket: str, now: datetime) -> Admission:
        ask = self._ask(visitor, ticket, now)

        def load(periods: Periods) -> Seeds:
            return self._books.seeds(visitor, periods, now)

        try:
            return self._gate.admit(ask, load)
        except DatabaseAway:
            unbooked = self._endurance.unbooked(ask)
            if unbooked is None:
                raise
            return self._gate.admit(unbooked, load)

    def _ask(self, visitor: Visitor, ticket: str, now: datetime) -> Ask:
        return Ask(
            ticket=ticket,
            user_id=visitor.user_id,
            link_id=visitor.link.id,
            plan_id=visitor.user.plan.id,
            is_guest=visitor.is_guest,
            visitor=visitor.limits,
            link=visitor.link.limits,
            guests=visitor.link.guest_limits if visitor.is_guest else None,
            credit_limit=visitor.user.plan.credit_limit,
            is_free=visitor.is_free or self._shelf.in_force(now).book.is_free,
            revision=visitor.revision,
            now=now,
            expects_finish=not visitor.user.is_channel,
        )


@contextlib.contextmanager
def speaking_to(visitor: Visitor) -> Iterator[None]:
    """An error in this block is this visitor's; a refusal speaks their language, if any."""
    try:
        yield
    except ServiceError as error:
        error.person = error.person or visitor.person
        if isinstance(error, Denied):
            error.locale = error.locale or visitor.user.locale
        raise
