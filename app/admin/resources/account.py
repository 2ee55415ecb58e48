"""What operators do to their own account: sign in, password, second factor, sessions."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.admin.access import lifetimes
from app.admin.desk import Desk
from app.audit.journal import Actor
from app.config import Settings
from app.errors import Invalid, NotFound
from app.operators import commands, passwords, signin, store
from app.operators.commands import OidcIdentity, OperatorChange
from app.operators.models import Operator, OperatorSession
from app.operators.signin import Client, SignedIn, SignInFailed, SignInThrottled
from app.telemetry import metrics


@dataclass(frozen=True, slots=True)
class SessionRow:
    id: int
    method: str
    created_at: datetime
    last_seen_at: datetime
    address: str | None
    user_agent: str | None
    is_this: bool


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    display_name: str | None
    email: str | None
    role: str
    has_password: bool
    has_second_factor: bool
    recovery_codes_left: int
    link_ids: list[int] | None
    sessions: list[SessionRow]


@dataclass(frozen=True, slots=True)
class Enrolment:
    is_on: bool
    secret: str | None
    """Of an enrolment that was begun and waits for its first code."""
    recovery_codes_left: int


FindClient = Callable[[Settings], Client]


def has_operators(desk: Desk) -> bool:
    with desk.db.read() as session:
        return store.has_any(session)


def sign_in(desk: Desk, client: FindClient, name: str, password: str) -> SignedIn:
    """Raises: SignInFailed, SignInThrottled; SignInBusy, DatabaseAway."""
    attempt = _attempt(desk, client)
    with _counted("password"):
        _reserve(desk, attempt, "password", name)
        with desk.db.read() as session:
            operator = signin.find_by_typed_name(session, name)
            judged = operator.password_hash if operator else None
        if not passwords.matches(password, judged):
            raise SignInFailed("the name or the password is wrong")
        with desk.db.begin() as session:
            _leave_present_session(session, desk)
            signed_in = attempt.with_password(session, name, password, judged=judged)
            return _detached(session, signed_in)


def sign_in_with_code(desk: Desk, client: FindClient, code: str) -> SignedIn:
    """The second step, of the session that the first one opened.

    Raises: SignInFailed, SignInThrottled.
    """
    attempt = _attempt(desk, client)
    with _counted("code"):
        _reserve(desk, attempt, "code", desk.caller.name)
        with desk.db.begin() as session:
            return _detached(session, attempt.with_code(session, _half(session, desk), code))


def admit(desk: Desk, client: FindClient, identity: OidcIdentity) -> SignedIn:
    """Sign somebody in whom the provider has vouched for.

    Raises: Conflict, Forbidden, as ``operators.commands.admit_oidc``.
    """
    attempt = _attempt(desk, client)
    actor = Actor("oidc", "admin", desk.address)
    with desk.db.begin() as session:
        operator = commands.admit_oidc(session, identity, actor=actor, now=desk.now)
        _leave_present_session(session, desk)
        signed_in = attempt.open(session, operator, method="oidc", is_complete=True)
        return _detached(session, signed_in)


def sign_out(desk: Desk) -> str | None:
    """End the present session; how it was opened."""
    session_id = desk.caller.session_id
    if session_id is None:
        return None
    with desk.db.begin() as session:
        row = session.get(OperatorSession, session_id)
        method = row.method if row else None
        commands.end_sessions(
            session,
            _self(session, desk),
            session_ids=[session_id],
            actor=desk.actor,
            now=desk.now,
            verb="sign_out",
        )
    return method


def set_locale(desk: Desk, locale: str) -> None:
    if desk.visitor is None or not desk.visitor.is_complete:
        return
    with desk.db.begin() as session:
        operator = store.get(session, desk.visitor.operator_id)
        if operator.locale != locale:
            change = OperatorChange.model_validate({"locale": locale})
            commands.update(session, operator, change, actor=desk.actor, now=desk.now)


def show(desk: Desk) -> Account:
    with desk.db.read() as session:
        operator = _self(session, desk)
        rows = store.list_sessions(session, operator_id=operator.id, now=desk.now)
        return Account(
            name=operator.name,
            display_name=operator.display_name,
            email=operator.email,
            role=operator.role,
            has_password=operator.password_hash is not None,
            has_second_factor=operator.totp_confirmed_at is not None,
            recovery_codes_left=len(operator.recovery_codes),
            link_ids=operator.link_ids,
            sessions=[_session_row(row, desk) for row in rows if row.is_complete],
        )


def change_password(desk: Desk, *, old: str, new: str, again: str) -> None:
    """Raises: Invalid, as ``operators.commands.change_password``."""
    if new != again:
        raise Invalid("the second typing of the new password differs", code="password_differs")
    attempt = _attempt(desk, None)
    _reserve(desk, attempt, "password", desk.caller.name)
    try:
        _change_password(desk, old, new)
    except Invalid as problem:
        if problem.code == "password_wrong":
            raise
        _forgive(desk, attempt, "password")  # it was the new one that would not do
        raise
    _forgive(desk, attempt, "password")


def _change_password(desk: Desk, old: str, new: str) -> None:
    with desk.db.begin() as session:
        commands.change_password(
            session,
            _self(session, desk),
            old=old,
            new=new,
            keep_session=desk.caller.session_id,
            actor=desk.actor,
            now=desk.now,
        )


def enrolment(desk: Desk) -> Enrolment:
    with desk.db.read() as session:
        operator = _self(session, desk)
        return Enrolment(
            is_on=operator.totp_confirmed_at is not None,
            secret=commands.pending_secret(operator, keys=desk.keys),
            recovery_codes_left=len(operator.recovery_codes),
        )


def begin_second_factor(desk: Desk) -> None:
    with desk.db.begin() as session:
        commands.begin_second_factor(
            session, _self(session, desk), keys=desk.keys, actor=desk.actor, now=desk.now
        )


def confirm_second_factor(desk: Desk, code: str) -> list[str]:
    """The recovery codes. Raises: Invalid (``code_wrong``)."""
    with desk.db.begin() as session:
        return commands.confirm_second_factor(
            session, _self(session, desk), code, keys=desk.keys, actor=desk.actor, now=desk.now
        )


def remove_second_factor(desk: Desk, code: str) -> None:
    """Only with a code: a browser left open must not be enough.

    Raises: Invalid (``code_wrong``).
    """
    attempt = _attempt(desk, None)
    _reserve(desk, attempt, "code", desk.caller.name)
    with desk.db.begin() as session:
        operator = store.lock(session, desk.caller.operator_id)
        if not attempt.take_code(operator, code):
            raise Invalid("this code is wrong or was used already", code="code_wrong")
        attempt.forgive(session, "code", operator.name)
        commands.remove_second_factor(session, operator, actor=desk.actor, now=desk.now)


def end_sessions(desk: Desk, session_id: int | None) -> None:
    """End one of one's own sessions, or all but the present one."""
    with desk.db.begin() as session:
        rows = store.list_sessions(session, operator_id=desk.caller.operator_id, now=desk.now)
        chosen = [
            row.id
            for row in rows
            if (row.id == session_id if session_id else row.id != desk.caller.session_id)
        ]
        if not chosen:
            raise NotFound("there is no such session", code="session_not_found")
        commands.end_sessions(
            session, _self(session, desk), session_ids=chosen, actor=desk.actor, now=desk.now
        )


def _self(session: Session, desk: Desk) -> Operator:
    return store.get(session, desk.caller.operator_id)


def _attempt(desk: Desk, client: FindClient | None) -> signin.Desk:
    found = client(desk.settings) if client else Client(desk.address, "")
    return signin.Desk(desk.keys, found, lifetimes(desk.settings), desk.now)


def _reserve(desk: Desk, attempt: signin.Desk, kind: signin.Kind, name: str) -> None:
    """Count the attempt before it is judged, in a transaction of its own.

    Whoever is throttled is told by a read: a flood of guesses must not hold the writers up.
    """
    with desk.db.read() as session:
        attempt.check_throttle(session, kind, name)
    with desk.db.begin() as session:
        attempt.reserve(session, kind, name)


def _forgive(desk: Desk, attempt: signin.Desk, kind: signin.Kind) -> None:
    with desk.db.begin() as session:
        attempt.forgive(session, kind, desk.caller.name)


def _leave_present_session(session: Session, desk: Desk) -> None:
    """Whoever signs in again in the same browser leaves no session behind."""
    if desk.visitor is not None and desk.visitor.session_id is not None:
        store.delete_session(session, desk.visitor.session_id)


@contextlib.contextmanager
def _counted(method: str) -> Iterator[None]:
    try:
        yield
    except SignInThrottled:
        metrics.SIGN_INS.labels(method, "throttled").inc()
        raise
    except SignInFailed:
        metrics.SIGN_INS.labels(method, "failed").inc()
        raise
    metrics.SIGN_INS.labels(method, "ok").inc()


def _half(session: Session, desk: Desk) -> OperatorSession:
    half = session.get(OperatorSession, desk.caller.session_id)
    if half is None:
        raise SignInFailed("the sign-in was begun too long ago")
    return half


def _detached(session: Session, signed_in: SignedIn) -> SignedIn:
    """Its rows are read after the transaction has ended."""
    session.flush()
    session.refresh(signed_in.session)
    session.expunge(signed_in.session)
    return signed_in


def _session_row(row: OperatorSession, desk: Desk) -> SessionRow:
    return SessionRow(
        id=row.id,
        method=row.method,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        address=row.address,
        user_agent=row.user_agent,
        is_this=row.id == desk.caller.session_id,
    )
