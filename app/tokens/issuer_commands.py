"""What an operator may do to issuers, and how built-in and configured ones get their rows."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import revision
from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict, Invalid
from app.keys import Keys
from app.tokens import store
from app.tokens.issuers import BUILTIN, RESERVED, IssuerSpec
from app.tokens.models import Issuer

ACTIVE = "active"
DISABLED = "disabled"

BUILTIN_ORIGIN = "builtin"
CONFIG_ORIGIN = "config"
DATABASE_ORIGIN = "database"

KEY_SOURCES = frozenset({"secrets", "public_keys", "jwks_url"})
"""Where the keys of an issuer come from: one of these."""


def create_issuer(
    session: Session, spec: IssuerSpec, *, keys: Keys, actor: Actor, now: datetime
) -> Issuer:
    """The new issuer, active.

    Raises:
        Invalid: the kind or the name of a built-in issuer (``issuer_reserved``).
        Conflict: the name, or what ``iss`` says, is taken (``issuer_exists``).
    """
    _check_creatable(spec)
    _check_iss_is_free(session, spec)
    if not store.insert_issuer_if_new(session, _row(spec, DATABASE_ORIGIN, keys=keys, now=now)):
        raise Conflict(f"there is an issuer named {spec.name!r} already", code="issuer_exists")
    return _created(session, spec.name, actor=actor, now=now)


def replace_issuer(
    session: Session,
    issuer: Issuer,
    spec: IssuerSpec,
    *,
    keys: Keys,
    actor: Actor,
    now: datetime,
) -> Issuer:
    """Put another spec in the place of the one it has; its name and kind stay.

    Raises:
        Invalid: another name or kind, or an issuer that is not kept in the database
            (``issuer_fixed``).
        Conflict: what ``iss`` says is taken (``issuer_exists``).
    """
    check_changeable(issuer)
    if (spec.name, spec.kind) != (issuer.name, issuer.kind):
        raise Invalid(
            "an issuer keeps its name and kind: its users' uids are made of them",
            code="issuer_fixed",
        )
    _check_iss_is_free(session, spec)
    before = describe(issuer)
    row = _row(spec, DATABASE_ORIGIN, keys=keys, now=now)
    issuer.spec = spec.public()
    issuer.sealed_secrets = None if row["sealed_secrets"] is None else str(row["sealed_secrets"])
    session.flush()
    _record(session, "update", issuer, actor=actor, now=now, before=before)
    return issuer


def changed_spec(old: IssuerSpec, stated: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``old`` with those that are stated put in their place; name and kind stay.

    New keys take the place of keys of every kind; of the claims only the stated ones change.
    """
    kept = old.model_dump() | {"secrets": old.secrets}
    dropped = KEY_SOURCES if stated.keys() & KEY_SOURCES else frozenset()
    values = {name: value for name, value in kept.items() if name not in dropped}
    claims = {**kept["claims"], **(stated.get("claims") or {})}
    return {**values, **stated, "claims": claims, "name": old.name, "kind": old.kind}


def check_changeable(issuer: Issuer) -> None:
    """Refuse an issuer whose spec is not kept in the database.

    Raises:
        Invalid: it is built in, or stands in the settings (``issuer_fixed``).
    """
    place = {BUILTIN_ORIGIN: "is built in", CONFIG_ORIGIN: "is kept in the settings' [[issuers]]"}
    if issuer.origin in place:
        raise Invalid(
            f"issuer {issuer.name!r} {place[issuer.origin]}: it cannot be changed here",
            code="issuer_fixed",
        )


def set_issuer_enabled(
    session: Session, issuer: Issuer, *, enabled: bool, actor: Actor, now: datetime
) -> Issuer:
    """Take the issuer's tokens, or no longer. What was asked with them is still billed."""
    before = describe(issuer)
    issuer.status = ACTIVE if enabled else DISABLED
    session.flush()
    verb = "enable" if enabled else "disable"
    _record(session, verb, issuer, actor=actor, now=now, before=before)
    return issuer


def ensure_builtin(session: Session, *, actor: Actor, now: datetime) -> None:
    """Create the issuers ``local`` and ``guest`` where they are missing.

    Safe to run from several processes at once.
    """
    for spec in BUILTIN:
        _ensure(session, spec, BUILTIN_ORIGIN, actor=actor, now=now)


def ensure_config(
    session: Session, specs: Sequence[IssuerSpec], *, actor: Actor, now: datetime
) -> None:
    """Give each issuer of the configuration a row, which lends it an id and a switch.

    Safe to run from several processes at once. The rows of issuers that left the configuration
    stay, for their users do; nobody can come in with their tokens.

    Raises:
        Conflict: the name or ``iss`` belongs to an issuer in the database (``issuer_exists``), or
            the kind is not the one its users were made with (``issuer_fixed``).
    """
    for spec in specs:
        _check_iss_is_free(session, spec)
        row = _ensure(session, spec, CONFIG_ORIGIN, actor=actor, now=now)
        if row.origin != CONFIG_ORIGIN:
            raise Conflict(
                f"the configuration's issuer {spec.name!r} is in the database already",
                code="issuer_exists",
            )
        if row.kind != spec.kind:
            raise Conflict(
                f"issuer {spec.name!r} was of kind {row.kind}: a new kind needs a new name",
                code="issuer_fixed",
            )


def describe(issuer: Issuer) -> dict[str, Any]:
    """The issuer as JSON, without its shared secrets."""
    return {
        "name": issuer.name,
        "kind": issuer.kind,
        "origin": issuer.origin,
        "status": issuer.status,
        "spec": issuer.spec,
    }


def _ensure(
    session: Session, spec: IssuerSpec, origin: str, *, actor: Actor, now: datetime
) -> Issuer:
    known = store.find_issuer(session, spec.name)
    if known is not None:
        return known
    if store.insert_issuer_if_new(session, _row(spec, origin, keys=None, now=now)):
        return _created(session, spec.name, actor=actor, now=now)
    return store.get_issuer(session, spec.name)


def _check_creatable(spec: IssuerSpec) -> None:
    if spec.kind not in ("jwt", "channel") or spec.name in RESERVED:
        raise Invalid(
            "issuers of kind jwt and channel can be made; local and guest are built in",
            code="issuer_reserved",
        )


def _check_iss_is_free(session: Session, spec: IssuerSpec) -> None:
    """A token's ``iss`` must choose one issuer, whose rules then hold."""
    for other in store.list_issuers(session):
        is_same = other.name == spec.name or other.origin != DATABASE_ORIGIN
        if is_same or "jwt" not in (spec.kind, other.kind) or spec.kind != other.kind:
            continue
        if (other.spec.get("issuer") or other.name) == spec.expected_issuer:
            raise Conflict(
                f"issuer {other.name!r} has the iss {spec.expected_issuer!r} already",
                code="issuer_exists",
            )


def _row(spec: IssuerSpec, origin: str, *, keys: Keys | None, now: datetime) -> dict[str, object]:
    secrets = [secret.get_secret_value() for secret in spec.secrets]
    is_kept = origin == DATABASE_ORIGIN
    sealed = keys.seal(json.dumps(secrets).encode()) if keys and is_kept and secrets else None
    return {
        "name": spec.name,
        "kind": spec.kind,
        "origin": origin,
        "spec": {} if origin == CONFIG_ORIGIN else spec.public(),
        "sealed_secrets": sealed,
        "status": ACTIVE,
        "created_at": now,
    }


def _created(session: Session, name: str, *, actor: Actor, now: datetime) -> Issuer:
    issuer = store.get_issuer(session, name)
    _record(session, "create", issuer, actor=actor, now=now)
    return issuer


def _record(
    session: Session,
    verb: str,
    issuer: Issuer,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"issuers.{verb}",
        subject=("issuer", issuer.id),
        now=now,
        change=(before, describe(issuer)),
    )
    revision.bump(session)
