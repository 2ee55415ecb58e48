"""Every SQL statement on users."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import insert_ignoring
from app.errors import Conflict, NotFound
from app.users.models import User
from app.users.subject import storable

_issuers = sa.table("issuers", sa.column("id", sa.BigInteger), sa.column("name", sa.String))
"""Only names, for messages and lists: issuers belong to another domain."""


class UserNotFound(NotFound):
    """No user has this subject."""

    code = "user_not_found"


@dataclass(frozen=True, slots=True)
class ListedUser:
    user: User
    issuer_name: str


def find_by_id(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id)


def find(session: Session, issuer_id: int, stored_subject: str) -> User | None:
    """``stored_subject`` is in the form of ``users.subject.storable``."""
    return session.scalar(
        sa.select(User).where(User.issuer_id == issuer_id, User.subject == stored_subject)
    )


def get_by_subject(session: Session, subject: str, *, issuer_name: str | None = None) -> User:
    """The user a person means by ``subject``: as the issuer writes it, as stored, or the uid.

    Raises:
        UserNotFound: there is none.
        Conflict: several issuers know this subject; the message lists them
            (``subject_ambiguous``).
    """
    matches = session.execute(
        sa.select(User, _issuers.c.name)
        .join(_issuers, _issuers.c.id == User.issuer_id)
        .where(sa.or_(User.subject.in_(_forms(subject)), User.uid.in_(_forms(subject))))
        .order_by(_issuers.c.name)
    ).all()
    meant = [(user, name) for user, name in matches if issuer_name in (None, name)]
    if not meant:
        raise UserNotFound("no user has this subject; `shareauth users list` shows them")
    if len(meant) > 1:
        names = ", ".join(name for _, name in meant)
        raise Conflict(
            f"several issuers know this subject: say which with --issuer ({names})",
            code="subject_ambiguous",
        )
    user: User = meant[0][0]
    return user


def list_page(session: Session, *, after_id: int = 0, limit: int = 100) -> list[ListedUser]:
    """Users in the order they were first seen, those after ``after_id``."""
    rows = session.execute(
        sa.select(User, _issuers.c.name)
        .join(_issuers, _issuers.c.id == User.issuer_id)
        .where(User.id > after_id)
        .order_by(User.id)
        .limit(limit)
    ).all()
    return [ListedUser(user, name) for user, name in rows]


def load(session: Session, ids: Collection[int]) -> dict[int, User]:
    """The users of these ids."""
    found = session.scalars(sa.select(User).where(User.id.in_(ids)))
    return {user.id: user for user in found}


def issuer_name(session: Session, issuer_id: int) -> str:
    return session.scalar(sa.select(_issuers.c.name).where(_issuers.c.id == issuer_id)) or ""


def insert_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when the issuer's subject is known."""
    return insert_ignoring(User, session, [row]) == 1


def _forms(subject: str) -> tuple[str, ...]:
    stored = storable(subject)
    # What a list showed may be typed back; other text that needed escaping cannot be bound at all.
    return (stored, subject) if subject.startswith("~") and subject.isprintable() else (stored,)
