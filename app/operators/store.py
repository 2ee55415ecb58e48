"""Every SQL statement on operators, their sessions, tokens and failures."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.operators.models import ApiToken, LoginFailure, Operator, OperatorSession


class OperatorNotFound(NotFound):
    """No operator has this name or id."""

    code = "operator_not_found"


def has_any(session: Session) -> bool:
    return session.scalar(sa.select(sa.literal(1)).where(sa.exists(sa.select(Operator.id)))) == 1


def list_all(session: Session) -> Sequence[Operator]:
    return session.scalars(sa.select(Operator).order_by(Operator.name)).all()


def list_page(
    session: Session,
    *,
    after: str | None,
    limit: int,
    role: str | None = None,
    status: str | None = None,
) -> Sequence[Operator]:
    """At most ``limit`` operators by name, behind the one named ``after``."""
    statement = sa.select(Operator).order_by(Operator.name).limit(limit)
    if after is not None:
        statement = statement.where(Operator.name > after)
    if role is not None:
        statement = statement.where(Operator.role == role)
    if status is not None:
        statement = statement.where(Operator.status == status)
    return session.scalars(statement).all()


def names(session: Session, operator_ids: Collection[int]) -> dict[int, str]:
    """Names by id, of those that are there."""
    found = session.execute(
        sa.select(Operator.id, Operator.name).where(Operator.id.in_(sorted(operator_ids)))
    )
    return {row.id: row.name for row in found}


def find(session: Session, operator_id: int) -> Operator | None:
    return session.get(Operator, operator_id)


def get(session: Session, operator_id: int) -> Operator:
    """Raises: OperatorNotFound."""
    operator = find(session, operator_id)
    if operator is None:
        raise OperatorNotFound(f"there is no operator {operator_id}")
    return operator


def lock(session: Session, operator_id: int) -> Operator:
    """The operator as they are now, locked until the transaction ends.

    Raises: OperatorNotFound.
    """
    operator = session.get(Operator, operator_id, with_for_update=True, populate_existing=True)
    if operator is None:
        raise OperatorNotFound(f"there is no operator {operator_id}")
    return operator


def find_by_name(session: Session, name: str) -> Operator | None:
    return session.scalar(sa.select(Operator).where(Operator.name == name.strip().lower()))


def get_by_name(session: Session, name: str) -> Operator:
    """Raises: OperatorNotFound."""
    operator = find_by_name(session, name)
    if operator is None:
        raise OperatorNotFound(
            f"there is no operator {name!r}; `shareauth operators list` shows them"
        )
    return operator


def find_by_oidc(session: Session, issuer: str, subject: str) -> Operator | None:
    return session.scalar(
        sa.select(Operator).where(Operator.oidc_issuer == issuer, Operator.oidc_subject == subject)
    )


def lock_owners(session: Session) -> Sequence[Operator]:
    """Active operators with the role of owner, locked until the transaction ends."""
    return session.scalars(
        sa.select(Operator)
        .where(Operator.role == "owner", Operator.status == "active")
        .order_by(Operator.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def find_session(session: Session, digest: str) -> OperatorSession | None:
    return session.scalar(sa.select(OperatorSession).where(OperatorSession.digest == digest))


def list_sessions(
    session: Session, *, operator_id: int | None, now: datetime
) -> Sequence[OperatorSession]:
    """Sessions that have not expired, the last used first; of one operator or of all."""
    statement = (
        sa.select(OperatorSession)
        .where(OperatorSession.expires_at > now)
        .order_by(OperatorSession.last_seen_at.desc(), OperatorSession.id.desc())
    )
    if operator_id is not None:
        statement = statement.where(OperatorSession.operator_id == operator_id)
    return session.scalars(statement).all()


def list_sessions_page(
    session: Session, *, before: int | None, limit: int, operator_id: int | None, now: datetime
) -> Sequence[OperatorSession]:
    """At most ``limit`` complete sessions that go on, the newest first, older than ``before``."""
    statement = (
        sa.select(OperatorSession)
        .where(OperatorSession.expires_at > now, OperatorSession.is_complete)
        .order_by(OperatorSession.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(OperatorSession.id < before)
    if operator_id is not None:
        statement = statement.where(OperatorSession.operator_id == operator_id)
    return session.scalars(statement).all()


def get_session(session: Session, session_id: int) -> OperatorSession:
    """Raises: NotFound."""
    row = session.get(OperatorSession, session_id)
    if row is None:
        raise NotFound(f"there is no session {session_id}", code="session_not_found")
    return row


def delete_session(session: Session, session_id: int) -> None:
    session.execute(sa.delete(OperatorSession).where(OperatorSession.id == session_id))


def delete_sessions_of(session: Session, operator_id: int, *, but: int | None = None) -> int:
    """End them; how many there were. ``but`` is the id of one that stays."""
    statement = sa.delete(OperatorSession).where(OperatorSession.operator_id == operator_id)
    if but is not None:
        statement = statement.where(OperatorSession.id != but)
    return session.execute(statement).rowcount  # type: ignore[attr-defined, no-any-return]


def prune(
    session: Session, *, now: datetime, idle_since: datetime, failures_before: datetime
) -> tuple[int, int]:
    """Forget sessions that expired or idled too long, and old failures; how many of each went."""
    is_over = (OperatorSession.expires_at <= now) | (OperatorSession.last_seen_at <= idle_since)
    sessions = session.execute(sa.delete(OperatorSession).where(is_over))
    failures = session.execute(sa.delete(LoginFailure).where(LoginFailure.at < failures_before))
    return sessions.rowcount, failures.rowcount  # type: ignore[attr-defined]


def find_token(session: Session, digest: str) -> ApiToken | None:
    return session.scalar(sa.select(ApiToken).where(ApiToken.digest == digest))


def get_token(session: Session, token_id: int) -> ApiToken:
    """Raises: NotFound."""
    token = session.get(ApiToken, token_id)
    if token is None:
        raise NotFound(f"there is no API token {token_id}", code="api_token_not_found")
    return token


def list_tokens(session: Session, *, operator_id: int | None = None) -> Sequence[ApiToken]:
    """The newest first, revoked ones too; of one operator or of all."""
    statement = sa.select(ApiToken).order_by(ApiToken.id.desc())
    if operator_id is not None:
        statement = statement.where(ApiToken.operator_id == operator_id)
    return session.scalars(statement).all()


def list_tokens_page(
    session: Session, *, before: int | None, limit: int, operator_id: int | None
) -> Sequence[ApiToken]:
    """At most ``limit`` tokens, the newest first, older than ``before``; revoked ones too."""
    statement = sa.select(ApiToken).order_by(ApiToken.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(ApiToken.id < before)
    if operator_id is not None:
        statement = statement.where(ApiToken.operator_id == operator_id)
    return session.scalars(statement).all()


def count_failures(
    session: Session,
    *,
    kind: str,
    since: datetime,
    name_digest: str | None = None,
    address: str | None = None,
) -> tuple[int, datetime | None]:
    """How many sign-ins failed since then for what is given, and when the oldest of them did."""
    statement = sa.select(sa.func.count(), sa.func.min(LoginFailure.at)).where(
        LoginFailure.at > since, LoginFailure.kind == kind
    )
    if name_digest is not None:
        statement = statement.where(LoginFailure.name_digest == name_digest)
    if address is not None:
        statement = statement.where(LoginFailure.address == address)
    count, oldest = session.execute(statement).one()
    return count, oldest


def forget_failures(session: Session, *, kind: str, name_digest: str, address: str) -> None:
    session.execute(
        sa.delete(LoginFailure).where(
            LoginFailure.kind == kind,
            LoginFailure.name_digest == name_digest,
            LoginFailure.address == address,
        )
    )
