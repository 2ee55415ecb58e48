"""Signing in: throttled passwords, the second factor, sessions that live in the database."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.errors import Forbidden
from app.keys import Keys
from app.operators import passwords, second_factor, store
from app.operators.models import LoginFailure, Operator, OperatorSession

SECRET_BYTES = 32
WINDOW = timedelta(minutes=15)
FAILURES_MAX = {"both": 5, "address": 30, "name": 60}
"""In the window, for one name from one address; from one address; for one name. The last is high
because whoever knows a name can use it up."""
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

    def check_throttle(self, session: Session, name: str) -> None:
        """Look before the password is judged: a throttled guess tells nothing.

        Raises:
            SignInThrottled: says how long to wait.
        """
        digest, address = self._digest(name), self._client.address
        counted = {
            "both": {"name_digest": digest, "address": address},
            "address": {"address": address},
            "name": {"name_digest": digest},
        }
        for rule, by in counted.items():
            count, oldest = store.count_failures(session, since=self._now - WINDOW, **by)
            if count >= FAILURES_MAX[rule] and oldest is not None:
                wait = max(int((oldest + WINDOW - self._now).total_seconds()), 1)
                raise SignInThrottled(
                    "too many sign-ins failed lately: wait before the next one",
                    retry_after_s=wait,
                    wait_s=wait,
                )

    def note_failure(self, session: Session, name: str) -> None:
        session.add(
            LoginFailure(name_digest=self._digest(name), address=self._client.address, at=self._now)
        )

    def with_password(self, session: Session, name: str, password: str) -> SignedIn:
        """Check a password; the session is complete unless a second factor is still to come.

        Raises:
            SignInFailed: note the failure in a transaction of its own.
        """
        operator = store.find_by_name(session, name)
        is_right = passwords.matches(password, operator.password_hash if operator else None)
        if operator is None or not is_right or operator.status != "active":
            raise SignInFailed("the name or the password is wrong")
        if passwords.is_outdated(operator.password_hash or ""):
            operator.password_hash = passwords.hashed(password)
        store.forget_failures(session, name_digest=self._digest(name), address=self._client.address)
        needs_code = operator.totp_confirmed_at is not None
        return self.open(session, operator, method="password", is_complete=not needs_code)

    def with_code(self, session: Session, half: OperatorSession, code: str) -> SignedIn:
        """Complete a half-open session by a TOTP or recovery code; it gets a new secret.

        Raises:
            SignInFailed: the code is wrong or was used; note the failure.
        """
        operator = store.get(session, half.operator_id)
        if not self.take_code(operator, code):
            raise SignInFailed("the code is wrong or was used already")
        store.delete_session(session, half.id)
        return self.open(session, operator, method="password", is_complete=True)

    def take_code(self, operator: Operator, code: str) -> bool:
        """Whether the code is right; it is used up with that."""
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

    def _digest(self, name: str) -> str:
        return self._keys.token_digest(f"login {name.strip().lower()}")


def resume(
    session: Session, secret: str, *, keys: Keys, lifetimes: Lifetimes, now: datetime
) -> tuple[Operator, OperatorSession] | None:
    """Who a cookie's secret belongs to; None when it has ended. Notes now and then that it lives.

    An operator who was disabled has no session any more.
    """
    row = store.find_session(session, keys.token_digest(secret))
    if row is None or row.expires_at <= now or row.last_seen_at + lifetimes.idle <= now:
        return None
    operator = store.find(session, row.operator_id)
    if operator is None or operator.status != "active":
        return None
    return operator, row


def is_seen_due(row: OperatorSession, now: datetime) -> bool:
    """Whether the time of the last request should be written again."""
    return row.last_seen_at + SEEN_EVERY <= now
