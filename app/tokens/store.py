"""Every SQL statement on issuers, minted tokens, revocations and sessions."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.tokens.models import Issuer, RevokedToken, Token, VisitorSession
from app.upserts import insert_ignoring


class IssuerNotFound(NotFound):
    """No issuer has this name."""

    code = "issuer_not_found"


class TokenNotFound(NotFound):
    """No minted token has this id."""

    code = "token_not_found"


class SessionNotFound(NotFound):
    """The visitor has no such session."""

    code = "session_not_found"


def list_issuers(session: Session) -> Sequence[Issuer]:
    """All issuers, in the order they were made."""
    return session.scalars(sa.select(Issuer).order_by(Issuer.id)).all()


def find_issuer(session: Session, name: str) -> Issuer | None:
    return session.scalar(sa.select(Issuer).where(Issuer.name == name))


def get_issuer(session: Session, name: str) -> Issuer:
    """The issuer of that name.

    Raises:
        IssuerNotFound: there is none.
    """
    issuer = find_issuer(session, name)
    if issuer is None:
        raise IssuerNotFound(
            f"there is no issuer named {name!r}; `shareauth issuers list` shows them"
        )
    return issuer


def insert_issuer_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when an issuer of that name exists."""
    return insert_ignoring(Issuer, session, [row]) == 1


def add_token(session: Session, token: Token) -> None:
    session.add(token)
    session.flush()


def find_token(session: Session, digest: str) -> Token | None:
    return session.scalar(sa.select(Token).where(Token.digest == digest))


def find_by_id(session: Session, token_id: int) -> Token | None:
    return session.get(Token, token_id)


def get_token(session: Session, token_id: int) -> Token:
    """The minted token of that id.

    Raises:
        TokenNotFound: there is none.
    """
    token = session.get(Token, token_id)
    if token is None:
        raise TokenNotFound(f"there is no token {token_id}; `shareauth tokens list` shows them")
    return token


def list_tokens(
    session: Session,
    *,
    user_id: int | None = None,
    link_id: int | None = None,
    link_ids: Collection[int] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> Sequence[Token]:
    """Minted tokens, newest first; ``before_id`` is the id the page before ended with.

    ``link_ids``: only those that are bound to one of these.
    """
    query = sa.select(Token).order_by(Token.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(Token.user_id == user_id)
    if link_id is not None:
        query = query.where(Token.link_id == link_id)
    if link_ids is not None:
        query = query.where(Token.link_id.in_(link_ids))
    if before_id is not None:
        query = query.where(Token.id < before_id)
    return session.scalars(query).all()


def lock_token(session: Session, token_id: int) -> None:
    """Hold the row until the transaction ends (SQLite's writers are alone anyway)."""
    session.execute(sa.select(Token.id).where(Token.id == token_id).with_for_update())


def is_revoked(session: Session, digest: str) -> bool:
    """Whether a token of another issuer was revoked; ``digest`` is that of its signed part."""
    query = sa.select(RevokedToken.digest).where(RevokedToken.digest == digest)
    return session.scalar(query) is not None


def insert_revocation_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when the token is revoked already."""
    return insert_ignoring(RevokedToken, session, [row]) == 1


def find_session(session: Session, token_digest: str, link_id: int) -> VisitorSession | None:
    return session.scalar(
        sa.select(VisitorSession).where(
            VisitorSession.token_digest == token_digest, VisitorSession.link_id == link_id
        )
    )


def list_sessions(session: Session, token_digest: str) -> Sequence[VisitorSession]:
    """All sessions the token has opened, oldest first."""
    return session.scalars(
        sa.select(VisitorSession)
        .where(VisitorSession.token_digest == token_digest)
        .order_by(VisitorSession.id)
    ).all()


def insert_session_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when the token has a session on the link."""
    return insert_ignoring(VisitorSession, session, [row]) == 1


def end_sessions(session: Session, token_digest: str, now: datetime) -> None:
    session.execute(
        sa.update(VisitorSession)
        .where(VisitorSession.token_digest == token_digest, VisitorSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def list_user_sessions(
    session: Session, user_id: int, *, before_id: int | None = None, limit: int = 100
) -> Sequence[VisitorSession]:
    """A user's sessions that are kept, also ended ones, newest first."""
    query = sa.select(VisitorSession).where(VisitorSession.user_id == user_id)
    if before_id is not None:
        query = query.where(VisitorSession.id < before_id)
    return session.scalars(query.order_by(VisitorSession.id.desc()).limit(limit)).all()


def get_user_session(session: Session, user_id: int, session_id: int) -> VisitorSession:
    """The user's session of that id.

    Raises:
        SessionNotFound: they have none.
    """
    found = session.scalar(
        sa.select(VisitorSession).where(
            VisitorSession.id == session_id, VisitorSession.user_id == user_id
        )
    )
    if found is None:
        raise SessionNotFound(f"user {user_id} has no session {session_id}")
    return found


def delete_of_user(session: Session, user_id: int) -> tuple[int, int]:
    """Delete a user's sessions and minted tokens; how many there were of each."""
    ended = session.execute(sa.delete(VisitorSession).where(VisitorSession.user_id == user_id))
    taken = session.execute(sa.delete(Token).where(Token.user_id == user_id))
    return int(getattr(ended, "rowcount", 0)), int(getattr(taken, "rowcount", 0))


def prune_sessions(session: Session, *, expired_before: datetime) -> int:
    """Delete the sessions that expired before then, and return how many.

    Those of one-time tokens that have not expired themselves stay: they are what stops a second
    one from being opened.
    """
    spent = (
        sa.select(Token.digest)
        .where(Token.is_one_time)
        .where(sa.or_(Token.expires_at.is_(None), Token.expires_at >= expired_before))
    )
    query = sa.delete(VisitorSession).where(
        VisitorSession.expires_at < expired_before, VisitorSession.token_digest.not_in(spent)
    )
    result = session.execute(query)
    return int(getattr(result, "rowcount", 0))
