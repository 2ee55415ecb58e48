"""What is done to users: by operators, and by visitors who show up for the first time."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import revision
from app.audit import journal
from app.audit.journal import Actor
from app.config import Locale
from app.errors import Conflict, ServiceError
from app.keys import new_uid
from app.limits import VisitorLimits
from app.users import store
from app.users.models import User
from app.users.profile import Attribute, Profile
from app.users.subject import pseudonym, storable

ACTIVE = "active"
SUSPENDED = "suspended"

Name = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
"""PostgreSQL stores no NUL."""

PERSONAL = ("subject", "name", "attributes")
"""What says who somebody is. It stays out of the audit journal, whose rows are for ever."""


class UserErased(Conflict):
    """The person was made unknown; the row only keeps the books whole."""

    code = "user_erased"


class UserSpec(BaseModel):
    """A user made by an operator before the visitor was ever seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer_id: int
    subject: Annotated[str, Field(min_length=1)]
    """As the issuer writes it."""
    name: Name | None = None
    locale: Locale | None = None
    plan_id: int | None = None
    limits: VisitorLimits = VisitorLimits()


class UserChange(BaseModel):
    """What to change; only fields that are given change, also when given as None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = None
    locale: Locale | None = None
    plan_id: int | None = None
    """None: the plan of the issuer, or ``default``."""
    limits: VisitorLimits | None = None
    """Replaces all overrides; None lifts them all."""


def create(session: Session, spec: UserSpec, *, uid: str, actor: Actor, now: datetime) -> User:
    """The new user; ``uid`` is ``Keys.uid`` of the issuer's name and the subject.

    Raises:
        Conflict: the issuer's subject is a user already (``user_exists``).
    """
    subject = storable(spec.subject)
    row = _row(issuer_id=spec.issuer_id, subject=subject, uid=uid, now=now)
    row |= {
        "name": spec.name,
        "locale": spec.locale,
        "plan_id": spec.plan_id,
        "limits": spec.limits.stored(),
    }
    if not _insert(session, row):
        raise Conflict("this subject of this issuer is a user already", code="user_exists")
    user = _stored(session, spec.issuer_id, subject)
    _record(session, "create", user, actor=actor, now=now)
    return user


def ensure(
    session: Session,
    *,
    issuer_id: int,
    subject: str,
    uid: str,
    profile: Profile,
    plan_id: int | None,
    now: datetime,
) -> User:
    """The user with this stored subject, made on first sight.

    Safe when several workers see the visitor first at once. ``profile`` and ``plan_id`` are used
    for a new row only. Writes no audit entry and bumps no revision: nobody has remembered a user
    that was not there.
    """
    known = store.find(session, issuer_id, subject)
    if known is not None:
        return known
    row = _row(issuer_id=issuer_id, subject=subject, uid=uid, now=now)
    row |= {
        "name": profile.name,
        "locale": profile.locale,
        "plan_id": plan_id,
        "attributes": dict(profile.attributes),
    }
    _insert(session, row)
    return _stored(session, issuer_id, subject)


def refresh(user: User, profile: Profile) -> bool:
    """Take over what the issuer's newest token says differently; whether anything did.

    The issuer's word wins over an operator's for name, locale and attributes it states, and says
    nothing about the plan: that is the operator's after the first sight. Other workers notice when
    they next read the row.
    """
    attributes: dict[str, Attribute] = {**user.attributes, **profile.attributes}
    stated = {
        "name": profile.name or user.name,
        "locale": profile.locale or user.locale,
        "attributes": attributes,
    }
    changed = {name: value for name, value in stated.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    return bool(changed)


def update(
    session: Session, user: User, change: UserChange, *, actor: Actor, now: datetime
) -> User:
    """Change what is given.

    Raises:
        UserErased: there is nobody any more to change.
    """
    _check_known(user)
    before = describe(user)
    given = change.model_fields_set
    for name in given & {"name", "locale", "plan_id"}:
        setattr(user, name, getattr(change, name))
    if "limits" in given:
        user.limits = (change.limits or VisitorLimits()).stored()
    session.flush()
    _record(session, "update", user, actor=actor, now=now, before=before)
    return user


def set_suspended(
    session: Session,
    user: User,
    *,
    suspended: bool,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> User:
    """Refuse the user everywhere, or again admit them. What they had already asked is billed.

    Raises:
        UserErased: nobody is there to be admitted again.
    """
    _check_known(user)
    before = describe(user)
    user.status = SUSPENDED if suspended else ACTIVE
    session.flush()
    verb = "suspend" if suspended else "activate"
    _record(session, verb, user, actor=actor, now=now, before=before, reason=reason)
    return user


def revoke_tokens(
    session: Session, user: User, *, actor: Actor, now: datetime, reason: str | None = None
) -> User:
    """End every session of the user and refuse every token issued until now.

    A token that does not say when it was issued is refused for good.
    """
    before = describe(user)
    user.tokens_valid_after = now
    session.flush()
    _record(session, "revoke_tokens", user, actor=actor, now=now, before=before, reason=reason)
    return user


def erase(
    session: Session, user: User, *, actor: Actor, now: datetime, reason: str | None = None
) -> User:
    """Make the person behind the row unknown: name, locale, attributes and subject go for good.

    Number and uid stay, so that ledger and usage go on adding up, and the row lets nobody in. The
    same person is somebody new when they come again. What else the service knows of them is
    ``people.erasure``'s.

    Raises:
        UserErased: it was done before.
    """
    _check_known(user)
    before = describe(user)
    user.subject = pseudonym(user.id)
    user.name = user.locale = None
    user.attributes = {}
    user.status = SUSPENDED
    user.tokens_valid_after = user.erased_at = now
    session.flush()
    _record(session, "erase", user, actor=actor, now=now, before=before, reason=reason)
    return user


def describe(user: User) -> dict[str, Any]:
    """The user as JSON."""
    valid_after = user.tokens_valid_after
    return {
        "uid": user.uid,
        "subject": user.subject,
        "name": user.name,
        "locale": user.locale,
        "plan_id": user.plan_id,
        "attributes": user.attributes,
        "limits": user.limits,
        "status": user.status,
        "tokens_valid_after": None if valid_after is None else valid_after.isoformat(),
    }


def _row(*, issuer_id: int, subject: str, uid: str, now: datetime) -> dict[str, object]:
    return {
        "issuer_id": issuer_id,
        "subject": subject,
        "uid": uid,
        "name": None,
        "locale": None,
        "plan_id": None,
        "attributes": {},
        "limits": {},
        "status": ACTIVE,
        "tokens_valid_after": None,
        "created_at": now,
        "erased_at": None,
    }


def _check_known(user: User) -> None:
    if user.erased_at is not None:
        raise UserErased(f"user {user.id} was erased: nothing of them can be changed any more")


def _insert(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in. Who was erased and comes again gets another uid than they had."""
    if store.insert_if_new(session, row):
        return True
    is_reborn = store.find_erased(session, str(row["uid"])) is not None
    return is_reborn and store.insert_if_new(session, {**row, "uid": new_uid()})


def _stored(session: Session, issuer_id: int, subject: str) -> User:
    user = store.find(session, issuer_id, subject)
    if user is None:  # the insert clashed on the uid: two subjects cannot have one
        raise ServiceError("a user's uid is taken by another subject", code="uid_clash")
    return user


def _record(
    session: Session,
    verb: str,
    user: User,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"users.{verb}",
        subject=("user", user.id),
        now=now,
        change=_impersonal(before, describe(user)),
        reason=reason,
    )
    revision.bump(session)


def _impersonal(
    before: dict[str, Any] | None, after: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Both states without what says who it is, and which of that has changed."""
    changed = [] if before is None else [one for one in PERSONAL if before[one] != after[one]]
    said = {name: value for name, value in after.items() if name not in PERSONAL}
    if changed:
        said["personal_data_changed"] = changed
    if before is None:
        return None, said
    return {name: value for name, value in before.items() if name not in PERSONAL}, said
