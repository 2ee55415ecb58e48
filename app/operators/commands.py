"""What is done to operators: by other operators, by themselves, by an OIDC provider's word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.config import Locale
from app.errors import Conflict, Forbidden, Invalid
from app.keys import Keys
from app.operators import passwords, second_factor, store
from app.operators.models import NAME, Operator, described
from app.operators.roles import Role


def _name(text: str) -> str:
    name = text.strip().lower()
    if not NAME.fullmatch(name):
        raise ValueError("letters, digits and . _ @ + - only, beginning with a letter or digit")
    return name


NAME_SCHEMA = {"type": "string", "maxLength": 80, "pattern": "^[A-Za-z0-9][A-Za-z0-9._@+-]*$"}
Name = Annotated[str, AfterValidator(_name), WithJsonSchema(NAME_SCHEMA)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
LinkId = Annotated[int, Field(ge=1, lt=2**63)]
LinkIds = Annotated[tuple[LinkId, ...], Field(min_length=1, max_length=1000)]


class OperatorSpec(BaseModel):
    """A new operator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    role: Role
    display_name: Annotated[str, Field(max_length=200)] | None = None
    email: Email | None = None
    link_ids: LinkIds | None = None
    """The only links they may see; None: all."""
    locale: Locale | None = None


class OperatorChange(BaseModel):
    """What to change; only fields that are given change, also when given as None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role | None = None
    display_name: Annotated[str, Field(max_length=200)] | None = None
    email: Email | None = None
    link_ids: LinkIds | None = None
    locale: Locale | None = None


@dataclass(frozen=True, slots=True)
class OidcIdentity:
    """Who a provider says somebody is. Its subject never changes; its name may."""

    issuer: str
    subject: str
    name: str
    display_name: str | None
    email: str | None
    role: str


@dataclass(frozen=True, slots=True)
class Created:
    operator: Operator
    password: str
    """Random; they must change it at the first sign-in."""


def create(session: Session, spec: OperatorSpec, *, actor: Actor, now: datetime) -> Created:
    """The new operator with a random password.

    Raises:
        Conflict: the name is taken (``operator_exists``).
    """
    if store.find_by_name(session, spec.name) is not None:
        raise Conflict(f"there is an operator {spec.name!r} already", code="operator_exists")
    password = passwords.generate()
    operator = Operator(
        **_row(spec.name, spec.role, now),
        display_name=spec.display_name,
        email=spec.email,
        link_ids=None if spec.link_ids is None else list(spec.link_ids),
        locale=spec.locale,
        password_hash=passwords.hashed(password),
        must_change_password=True,
    )
    session.add(operator)
    session.flush()
    _record(session, "create", operator, actor=actor, now=now)
    return Created(operator, password)


def ensure_first(session: Session, *, actor: Actor, now: datetime) -> Created | None:
    """An owner named ``admin``, when there is no operator at all; None otherwise."""
    if store.has_any(session):
        return None
    return create(session, OperatorSpec(name="admin", role="owner"), actor=actor, now=now)


def update(
    session: Session, operator: Operator, change: OperatorChange, *, actor: Actor, now: datetime
) -> Operator:
    """Change role, links or profile.

    Raises:
        Conflict: the last owner would be one no more (``last_owner``).
    """
    before = described(operator)
    given = change.model_fields_set
    if "role" in given and change.role is not None and change.role != operator.role:
        _keep_an_owner(session, operator)
        operator.role = change.role
    if "link_ids" in given:
        if operator.role == "owner" and change.link_ids is not None:
            _keep_an_owner(session, operator)
        operator.link_ids = None if change.link_ids is None else list(change.link_ids)
    for name in given & {"display_name", "email", "locale"}:
        setattr(operator, name, getattr(change, name))
    session.flush()
    _record(session, "update", operator, actor=actor, now=now, before=before)
    return operator


def set_enabled(
    session: Session,
    operator: Operator,
    *,
    enabled: bool,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> Operator:
    """Disable an operator, which ends their sessions and stops their tokens, or enable them.

    Raises:
        Conflict: it is the last owner (``last_owner``).
    """
    before = described(operator)
    if not enabled:
        _keep_an_owner(session, operator)
        store.delete_sessions_of(session, operator.id)
    operator.status = "active" if enabled else "disabled"
    session.flush()
    verb = "enable" if enabled else "disable"
    _record(session, verb, operator, actor=actor, now=now, before=before, reason=reason)
    return operator


def reset_password(session: Session, operator: Operator, *, actor: Actor, now: datetime) -> Created:
    """A new random password, to be changed at the next sign-in. Every session ends."""
    before = described(operator)
    password = passwords.generate()
    operator.password_hash = passwords.hashed(password)
    operator.must_change_password = True
    store.delete_sessions_of(session, operator.id)
    _record(session, "reset_password", operator, actor=actor, now=now, before=before)
    return Created(operator, password)


def change_password(
    session: Session,
    operator: Operator,
    *,
    old: str,
    new: str,
    keep_session: int | None,
    actor: Actor,
    now: datetime,
) -> None:
    """By themselves. Every other session of theirs ends.

    Raises:
        Invalid: the old one is wrong (``password_wrong``) or the new one weak (``password_weak``).
    """
    if not passwords.matches(old, operator.password_hash):
        raise Invalid("the present password is wrong", code="password_wrong")
    if old == new:
        raise Invalid("the new password is the old one", code="password_weak")
    before = described(operator)
    operator.password_hash = passwords.hashed(new, name=operator.name)
    operator.must_change_password = False
    store.delete_sessions_of(session, operator.id, but=keep_session)
    _record(session, "change_password", operator, actor=actor, now=now, before=before)


def begin_second_factor(
    session: Session, operator: Operator, *, keys: Keys, actor: Actor, now: datetime
) -> str:
    """A new TOTP secret that counts once a code of it was confirmed.

    Raises:
        Conflict: a second factor is on already (``second_factor_on``).
    """
    if operator.totp_confirmed_at is not None:
        raise Conflict("a second factor is on: switch it off first", code="second_factor_on")
    secret = second_factor.new_secret()
    operator.sealed_totp_secret = keys.seal(secret.encode())
    operator.totp_last_step = None
    session.flush()
    _record(session, "second_factor_begun", operator, actor=actor, now=now)
    return secret


def pending_secret(operator: Operator, *, keys: Keys) -> str | None:
    """The secret of an enrolment that was begun and not confirmed."""
    if operator.sealed_totp_secret is None or operator.totp_confirmed_at is not None:
        return None
    return keys.unseal(operator.sealed_totp_secret).decode()


def confirm_second_factor(
    session: Session, operator: Operator, code: str, *, keys: Keys, actor: Actor, now: datetime
) -> list[str]:
    """Switch the second factor on; returns the recovery codes, which are shown this once.

    Raises:
        Invalid: the code is wrong (``code_wrong``), or no enrolment was begun.
    """
    secret = pending_secret(operator, keys=keys)
    step = second_factor.step_of(code, secret, now=now, after_step=None) if secret else None
    if step is None:
        raise Invalid(
            "this code is wrong: check that the phone's clock is right", code="code_wrong"
        )
    before = described(operator)
    codes = second_factor.new_recovery_codes()
    operator.totp_confirmed_at = now
    operator.totp_last_step = step
    operator.recovery_codes = [second_factor.recovery_digest(one, keys) for one in codes]
    session.flush()
    _record(session, "second_factor_on", operator, actor=actor, now=now, before=before)
    return codes


def remove_second_factor(
    session: Session,
    operator: Operator,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Switch it off: by themselves with a code, or by an owner for somebody who lost theirs."""
    before = described(operator)
    operator.sealed_totp_secret = None
    operator.totp_confirmed_at = None
    operator.totp_last_step = None
    operator.recovery_codes = []
    session.flush()
    _record(
        session, "second_factor_off", operator, actor=actor, now=now, before=before, reason=reason
    )


def admit_oidc(
    session: Session, identity: OidcIdentity, *, actor: Actor, now: datetime
) -> Operator:
    """The operator a provider speaks of, made at the first sign-in; the provider's role wins.

    Raises:
        Conflict: the name is taken by somebody else (``operator_exists``), or the last owner would
            be one no more (``last_owner``).
        Forbidden: they were disabled here (``operator_disabled``).
    """
    operator = store.find_by_oidc(session, identity.issuer, identity.subject)
    if operator is None:
        return _created_by_oidc(session, identity, actor=actor, now=now)
    if operator.status != "active":
        raise Forbidden(f"{operator.name} is disabled", code="operator_disabled")
    before = described(operator)
    if operator.role != identity.role:
        _keep_an_owner(session, operator)
    operator.role = identity.role
    operator.display_name = identity.display_name or operator.display_name
    operator.email = identity.email or operator.email
    session.flush()
    if described(operator) != before:
        _record(session, "update", operator, actor=actor, now=now, before=before)
    return operator


def end_sessions(
    session: Session,
    operator: Operator,
    *,
    session_ids: Sequence[int],
    actor: Actor,
    now: datetime,
    verb: str = "end_sessions",
) -> None:
    """End some of their sessions; ``verb`` is ``sign_out`` when they leave by themselves."""
    for session_id in session_ids:
        store.delete_session(session, session_id)
    journal.record(
        session,
        actor=actor,
        action=f"operators.{verb}",
        subject=("operator", operator.id),
        now=now,
        change=({"sessions": list(session_ids)}, None),
    )


def _created_by_oidc(
    session: Session, identity: OidcIdentity, *, actor: Actor, now: datetime
) -> Operator:
    name = re.sub(r"[^a-z0-9._@+-]", "-", identity.name.strip().lower()).lstrip("-._@+")[:80]
    name = name or f"user-{identity.subject[:20].lower()}"
    if store.find_by_name(session, name) is not None:
        raise Conflict(
            f"an operator named {name!r} exists and does not sign in through this provider",
            code="operator_exists",
        )
    operator = Operator(
        **_row(name, identity.role, now),
        display_name=identity.display_name,
        email=identity.email,
        must_change_password=False,
        oidc_issuer=identity.issuer,
        oidc_subject=identity.subject,
    )
    session.add(operator)
    session.flush()
    _record(session, "create", operator, actor=actor, now=now)
    return operator


def _row(name: str, role: str, now: datetime) -> dict[str, Any]:
    return {
        "name": name,
        "role": role,
        "status": "active",
        "recovery_codes": [],
        "created_at": now,
    }


def _keep_an_owner(session: Session, operator: Operator) -> None:
    """Somebody must be left who can add operators: never let go of the last owner."""
    if operator.role != "owner" or operator.status != "active":
        return
    owners = [one for one in store.lock_owners(session) if one.link_ids is None]
    if not [one for one in owners if one.id != operator.id]:
        raise Conflict(
            f"{operator.name} is the last owner: make another operator an owner first",
            code="last_owner",
        )


def _record(
    session: Session,
    verb: str,
    operator: Operator,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"operators.{verb}",
        subject=("operator", operator.id),
        now=now,
        change=(before, described(operator)),
        reason=reason,
    )
