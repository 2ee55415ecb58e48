"""Every SQL statement on users."""

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import Conflict, NotFound
from app.ids import among
from app.upserts import insert_ignoring
from app.users.models import User
from app.users.subject import storable

_ID_MAX = 2**63 - 1

_issuers = sa.table("issuers", sa.column("id", sa.BigInteger), sa.column("name", sa.String))
"""Only names, for messages and lists: issuers belong to another domain."""
_wallets = sa.table(
    "ledger_accounts", sa.column("user_id", sa.BigInteger), sa.column("balance", sa.BigInteger)
)
"""Only to put lists in order: wallets belong to another domain."""

Order = Literal["newest", "oldest", "name", "lowest", "highest"]


class UserNotFound(NotFound):
    """No user has this subject."""

    code = "user_not_found"


NAMES_AT_ONCE = 500
_ESCAPE = "/"
_HAVE_TWINS = frozenset("iIkK")
"""The letters of ASCII that others become in lower case: İ and the sign of Kelvin."""


@dataclass(frozen=True, slots=True)
class ListedUser:
    user: User
    issuer_name: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which users; None: whatever it is."""

    text: str | None = None
    subject: str | None = None
    """As the issuer writes it, or as stored."""
    issuer: str | None = None
    status: Literal["active", "suspended", "erased"] | None = None
    plan: tuple[int, frozenset[int]] | None = None
    """A plan's id, and the ids of the issuers whose users have it unless they have their own."""


def find_by_id(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id)


def load_by_ids(session: Session, user_ids: Collection[int]) -> dict[int, User]:
    """These users by their ids; absent where there is none."""
    found = session.scalars(sa.select(User).where(among(User.id, user_ids)))
    return {user.id: user for user in found}


def find(session: Session, issuer_id: int, stored_subject: str) -> User | None:
    """``stored_subject`` is in the form of ``users.subject.storable``."""
    return session.scalar(
        sa.select(User).where(User.issuer_id == issuer_id, User.subject == stored_subject)
    )


def get(session: Session, user_id: int) -> User:
    """The user with this number.

    Raises:
        UserNotFound: there is none.
    """
    user = session.get(User, user_id) if user_id <= _ID_MAX else None
    if user is None:
        raise UserNotFound(f"there is no user {user_id}")
    return user


def find_erased(session: Session, uid: str) -> User | None:
    """The erased user who had this uid."""
    return session.scalar(sa.select(User).where(User.uid == uid, User.erased_at.is_not(None)))


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


def find_meant(session: Session, subjects: Collection[str]) -> dict[str, list[tuple[int, str]]]:
    """User and issuer of each of these subjects or uids; nobody who was erased."""
    forms = {form: subject for subject in subjects for form in _forms(subject)}
    found: dict[str, list[tuple[int, str]]] = {}
    wanted = sorted(forms)
    for begin in range(0, len(wanted), NAMES_AT_ONCE):
        some = wanted[begin : begin + NAMES_AT_ONCE]
        rows = session.execute(
            sa.select(User.id, User.subject, User.uid, _issuers.c.name)
            .join(_issuers, _issuers.c.id == User.issuer_id)
            .where(sa.or_(User.subject.in_(some), User.uid.in_(some)), User.erased_at.is_(None))
        )
        chosen = set(some)
        for user_id, *names, issuer in rows:
            for subject in {forms[name] for name in names if name in chosen}:
                if (user_id, issuer) not in found.setdefault(subject, []):
                    found[subject].append((user_id, issuer))
    return found


def count_matching(session: Session, wanted: Wanted) -> int:
    """How many users match everything wanted."""
    counted = sa.select(sa.func.count()).select_from(User).where(*_conditions(session, wanted))
    return session.scalar(counted) or 0


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


def search(
    session: Session,
    wanted: Wanted,
    *,
    order: Order = "newest",
    after: tuple[int, int] | None = None,
    limit: int = 50,
) -> list[ListedUser]:
    """Users that match everything wanted, in that order; ``lowest`` and ``highest`` by balance.

    ``after`` are balance and id of the last one of the page before; only the orders by balance look
    at the former. Text is looked for anywhere in subject and name, and at the beginning of the uid.
    That, and any order but by age, reads the whole table: some 20 ms for 50,000 users.
    """
    statement = (
        sa.select(User, _issuers.c.name)
        .join(_issuers, _issuers.c.id == User.issuer_id)
        .where(*_conditions(session, wanted))
        .limit(limit)
    )
    statement = _ordered(session, statement, order, after)
    return [ListedUser(user, name) for user, name in session.execute(statement)]


def _ordered(
    session: Session,
    statement: sa.Select[User, str],
    order: Order,
    after: tuple[int, int] | None,
) -> sa.Select[User, str]:
    if order in ("newest", "oldest"):
        place: tuple[Any, ...] = (User.id,)
        last: tuple[object, ...] | None = after and after[1:]
    elif order == "name":
        place = (sa.func.lower(sa.func.coalesce(User.name, User.subject)), User.id)
        last = None
        if after is not None:
            name = session.scalar(sa.select(place[0]).where(User.id == after[1])) or ""
            last = (name, after[1])
    else:
        statement = statement.outerjoin(_wallets, _wallets.c.user_id == User.id)
        place = (sa.func.coalesce(_wallets.c.balance, 0), User.id)
        last = after
    is_falling = order in ("newest", "highest")
    if last is not None:
        here, there = sa.tuple_(*place), sa.tuple_(*last)
        statement = statement.where(here < there if is_falling else here > there)
    return statement.order_by(*(one.desc() if is_falling else one for one in place))


def _conditions(session: Session, wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.text:
        yield sa.or_(
            _holds(session, User.subject, wanted.text),
            _holds(session, User.name, wanted.text),
            User.uid.startswith(wanted.text, autoescape=True),
        )
    if wanted.subject is not None:
        yield User.subject.in_(_forms(wanted.subject))
    if wanted.issuer is not None:
        yield _issuers.c.name == wanted.issuer
    if wanted.status == "erased":
        yield User.erased_at.is_not(None)
    elif wanted.status is not None:
        yield User.status == wanted.status
        yield User.erased_at.is_(None)
    if wanted.plan is not None:
        plan_id, issuer_ids = wanted.plan
        by_default = User.plan_id.is_(None) & User.issuer_id.in_(sorted(issuer_ids))
        yield sa.or_(User.plan_id == plan_id, by_default)


def _holds(
    session: Session, column: InstrumentedAttribute[Any], text: str
) -> sa.ColumnElement[bool]:
    """Whether the text is anywhere in the column, in capitals or not.

    SQLite looks past the case of ASCII by itself, and knows no other. PostgreSQL takes most of the
    time to bring every text into lower case, as ILIKE does with text and pattern for each row: so
    it first looks for what it can find by ASCII's rules alone.
    """
    pattern = _pattern([text])
    if session.get_bind().dialect.name == "sqlite":
        # To look for escapes takes it longer than the rest.
        return column.like(pattern, escape=_ESCAPE if _ESCAPE in pattern else None)
    exact = sa.func.lower(column).like(sa.func.lower(pattern), escape=_ESCAPE)
    if not (runs := _cheap_runs(text)):
        return exact
    simple = sa.func.lower(column.collate("C"))
    return simple.like(_pattern(runs), escape=_ESCAPE) & exact


def _cheap_runs(text: str) -> list[str]:
    """The parts of a text that are there by ASCII's rules wherever the text is by any."""
    kept = "".join(
        one.lower()
        if one not in _HAVE_TWINS and (one.isascii() or unicodedata.category(one) == "Lo")
        else "\0"  # no text can hold it
        for one in text
    )
    return [run for run in kept.split("\0") if run]


def _pattern(parts: Collection[str]) -> str:
    """For LIKE: these parts in this order, anything before, between and after."""
    for special in (_ESCAPE, "%", "_"):
        parts = [part.replace(special, _ESCAPE + special) for part in parts]
    return "".join(("%", "%".join(parts), "%"))


def load_subjects(session: Session, user_ids: Collection[int]) -> dict[int, str]:
    """The subjects of these users, for lists of what is theirs."""
    found = sa.select(User.id, User.subject).where(among(User.id, user_ids))
    return {row[0]: row[1] for row in session.execute(found)}


def issuer_name(session: Session, issuer_id: int) -> str:
    return session.scalar(sa.select(_issuers.c.name).where(_issuers.c.id == issuer_id)) or ""


def insert_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when the issuer's subject is known."""
    return insert_ignoring(User, session, [row]) == 1


def _forms(subject: str) -> tuple[str, ...]:
    stored = storable(subject)
    # What a list showed may be typed back; other text that needed escaping cannot be bound at all.
    return (stored, subject) if subject.startswith("~") and subject.isprintable() else (stored,)
