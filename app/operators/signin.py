"""Signing in: throttled passwords, the second factor, sessions that live in the database."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.errors import Forbidden
from app.keys import Keys
from app.operators import passwords, second_factor, store
from app.operators.models import NAME, LoginFailure, Operator, OperatorSession

SECRET_BYTES = 32
WINDOW = timedelta(minutes=15)
FAILURES_MAX = {
    "password": {"both": 5, "address": 30, "name": 60},
    "code": {"both": 5, "address": 30, "name": 20},
}
"""In the window, for one name from one address; from one address; for one name. The last is high
for passwords because whoever knows a name can use it up, and low for codes, which only somebody
who has the password may try, and of which there are only a million."""
IPV6_PREFIX = 64
"""One customer of a provider has at least so many addresses: they count as one."""
HALF_SIGNED_IN = timedelta(minutes=10)
"""How long the second factor may take."""
SEEN_EVERY = timedelta(minutes=1)


class SignInFailed(Forbidden):
    """Name, password or code is wrong; which of them is not said."""

    status = 401
    code = "sign_in_failed"


class SignInThrottled(Forbidden):
    """Too many sign-ins failed lately."""

    status = 429
    code = "sign_in_throttled"


Kind = Literal["password", "code"]
"""What is guessed at."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where somebody signs in from."""

    address: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Lifetimes:
    idle: timedelta
    total: timedelta


@dataclass(frozen=True, slots=True)
class SignedIn:
    """``secret`` goes into the cookie and is known nowhere else."""

    operator: Operator
    session: OperatorSession
    secret: str


class Desk:
    """One attempt: who tries, from where, when."""

    def __init__(self, keys: Keys, client: Client, lifetimes: Lifetimes, now: datetime) -> None:
        self._keys = keys
        self._client = client
        self._lifetimes = lifetimes
        self._now = now

    def check_throttle(self, session: Session, kind: Kind, name: str) -> None:
        """Look before anything is judged: a throttled guess tells nothing.

        Raises:
            SignInThrottled: says how long to wait.
        """
        digest, address = self._digest(kind, name), self._network
        counted = {
            "both": {"name_digest": digest, "address": address},
            "address": {"address": address},
            "name": {"name_digest": digest},
        }
        since = self._now - WINDOW
        for rule, by in counted.items():
            count, oldest = store.count_failures(session, kind=kind, since=since, **by)
            if count >= FAILURES_MAX[kind][rule] and oldest is not None:
                wait = max(int((oldest + WINDOW - self._now).total_seconds()), 1)
                raise SignInThrottled(
                    "too many sign-ins failed lately: wait before the next one",
                    retry_after_s=wait,
                    wait_s=wait,
                )

    def reserve(self, session: Session, kind: Kind, name: str) -> None:
        """Count this attempt as a failure until it turns out right.

        Commit it before the guess is judged: else many at once would all pass before the first of
        them was counted.

        Raises:
            SignInThrottled: says how long to wait; nothing is counted.
        """
        self.check_throttle(session, kind, name)
        session.add(
            LoginFailure(
                kind=kind,
                name_digest=self._digest(kind, name),
                address=self._network,
                at=self._now,
            )
        )

    def forgive(self, session: Session, kind: Kind, name: str) -> None:
        """It was right: forget what failed for this name from this address."""
        digest = self._digest(kind, name)
        store.forget_failures(session, kind=kind, name_digest=digest, address=self._network)

    def with_password(
        self, session: Session, name: str, password: str, *, judged: str | None
    ) -> SignedIn:
        """A session for a password that was right; complete unless a second factor is to come.

        ``judged`` is the hash it was compared with, outside of a transaction because that takes
        long.

        Raises:
            SignInFailed: the operator was disabled or got another password meanwhile.
        """
        operator = find_by_typed_name(session, name)
        if operator is None or operator.status != "active" or operator.password_hash != judged:
            raise SignInFailed("the name or the password is wrong")
        if passwords.is_outdated(operator.password_hash or ""):
            operator.password_hash = passwords.hashed_again(password)
        self.forgive(session, "password", name)
        needs_code = operator.totp_confirmed_at is not None
        return self.open(session, operator, method="password", is_complete=not needs_code)

    def with_code(self, session: Session, half: OperatorSession, code: str) -> SignedIn:
        """Complete a half-open session by a TOTP or recovery code; it gets a new secret.

        Raises:
            SignInFailed: the code is wrong or was used, or the session is complete already, which
                a code must not prolong.
        """
        operator = store.lock(session, half.operator_id)
        if half.is_complete or operator.status != "active" or not self.take_code(operator, code):
            raise SignInFailed("the code is wrong or was used already")
        self.forgive(session, "code", operator.name)
        store.delete_session(session, half.id)
        return self.open(session, operator, method="password", is_complete=True)

    def take_code(self, operator: Operator, code: str) -> bool:
        """Whether the code is right; it is used up with that. The operator's row must be locked."""
        if operator.sealed_totp_secret is None or operator.totp_confirmed_at is None:
            return False
        secret = self._keys.unseal(operator.sealed_totp_secret).decode()
        step = second_factor.step_of(
            code, secret, now=self._now, after_step=operator.totp_last_step
        )
        if step is not None:
            operator.totp_last_step = step
            return True
        left = second_factor.without_recovery_code(code, operator.recovery_codes, self._keys)
        if left is None:
            return False
        operator.recovery_codes = left
        return True

    def open(
        self, session: Session, operator: Operator, *, method: str, is_complete: bool
    ) -> SignedIn:
        """A new session of an operator whose identity is proven."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        lasts = self._lifetimes.total if is_complete else HALF_SIGNED_IN
        row = OperatorSession(
            digest=self._keys.token_digest(secret),
            operator_id=operator.id,
            method=method,
            is_complete=is_complete,
            created_at=self._now,
            last_seen_at=self._now,
            expires_at=self._now + lasts,
            address=self._client.address[:64],
            user_agent=self._client.user_agent[:300],
        )
        session.add(row)
        session.flush()
        if is_complete:
            operator.last_login_at = self._now
            journal.record(
                session,
                actor=Actor(operator.name, "admin", self._client.address),
                action="operators.sign_in",
                subject=("operator", operator.id),
                now=self._now,
                change=(None, {"method": method, "session": row.id}),
            )
        return SignedIn(operator, row, secret)

    def _digest(self, kind: Kind, name: str) -> str:
        return self._keys.token_digest(f"login {kind} {name.strip().lower()}")

    @property
    def _network(self) -> str:
        """The address, or the network that one IPv6 customer has."""
        try:
            address = ip_address(self._client.address)
        except ValueError:
            return self._client.address[:64]
        if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
            return str(ip_network((int(address), IPV6_PREFIX), strict=False))
        return str(address)


def find_by_typed_name(session: Session, name: str) -> Operator | None:
    """The operator of a name as anybody may type it; text that is no name belongs to nobody."""
    typed = name.strip().lower()
    return store.find_by_name(session, typed) if NAME.fullmatch(typed) else None


def resume(
    session: Session, secret: str, *, keys: Keys, lifetimes: Lifetimes, now: datetime
) -> tuple[Operator, OperatorSession] | None:
    """Who a cookie's secret belongs to; None when it has ended. Notes now and then that it lives.

    An operator who was disabled has no session any more.
    """
    row = store.find_session(session, keys.token_digest(secret))
    if row is None or row.expires_at <= now or row.last_seen_at + lifetimes.idle <= now:
        return None
    if row.created_at + lifetimes.total <= now:  # the setting may have become shorter
        return None
    operator = store.find(session, row.operator_id)
    if operator is None or operator.status != "active":
        return None
    return operator, row


def is_seen_due(row: OperatorSession, now: datetime, *, idle: timedelta) -> bool:
    """Whether the time of the last request should be written again."""
    return row.last_seen_at + min(SEEN_EVERY, idle / 4) <= now
