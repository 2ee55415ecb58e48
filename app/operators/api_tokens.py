"""API tokens: what programs sign in with. A token never has more rights than its owner has now."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema
from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.errors import Invalid
from app.keys import Keys
from app.operators import store
from app.operators.commands import LinkIds
from app.operators.models import ApiToken, Operator
from app.operators.roles import PERMISSIONS, permissions_of

PREFIX = "saa_"
"""The public start of our API tokens, for secret scanners."""
TOKEN_BYTES = 32
START_CHARS = 10
USED_EVERY = timedelta(minutes=1)


def _known(scopes: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(scopes) - set(PERMISSIONS))
    if unknown:
        raise ValueError(f"not known: {', '.join(unknown)}")
    return tuple(sorted(set(scopes)))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside of what a calendar has") from None


Scopes = Annotated[
    tuple[str, ...],
    Field(min_length=1, max_length=2 * len(PERMISSIONS)),
    AfterValidator(_known),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(PERMISSIONS)},
            "minItems": 1,
            "maxItems": 2 * len(PERMISSIONS),
        }
    ),
]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class ApiTokenSpec(BaseModel):
    """A new token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=120)]
    scopes: Scopes
    """Permissions, such as ``wallets:read``."""
    link_ids: LinkIds | None = None
    expires_at: Moment | None = None
    """None: it does not expire."""


@dataclass(frozen=True, slots=True)
class CreatedToken:
    row: ApiToken
    token: str
    """Shown this once."""


@dataclass(frozen=True, slots=True)
class Rights:
    permissions: frozenset[str]
    link_ids: frozenset[int] | None


def create(
    session: Session,
    owner: Operator,
    spec: ApiTokenSpec,
    *,
    keys: Keys,
    actor: Actor,
    now: datetime,
    within: Rights | None = None,
) -> CreatedToken:
    """A token of this operator.

    ``within`` is what whoever asks may do, when that is a program: no token makes a stronger one.

    Raises:
        Invalid: the owner has not all of these scopes (``scope_not_held``), is kept to other links
            (``links_not_held``), or the token would have expired.
    """
    may = within or Rights(
        permissions_of(owner.role, link_ids=owner.link_ids),
        None if owner.link_ids is None else frozenset(owner.link_ids),
    )
    missing = set(spec.scopes) - may.permissions
    if may.link_ids is not None and not set(spec.link_ids or may.link_ids) <= may.link_ids:
        raise Invalid(f"{owner.name} may not see all of these links", code="links_not_held")
    if missing:
        raise Invalid(
            f"{owner.name} may not do this either: {', '.join(sorted(missing))}",
            code="scope_not_held",
        )
    if spec.expires_at is not None and spec.expires_at <= now:
        raise Invalid("the token would have expired already", code="expires_in_the_past")
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    row = ApiToken(
        digest=keys.token_digest(token),
        start=token[:START_CHARS],
        name=spec.name,
        operator_id=owner.id,
        scopes=list(spec.scopes),
        link_ids=_narrower(_listed(within.link_ids if within else None), _listed(spec.link_ids)),
        created_at=now,
        expires_at=spec.expires_at,
    )
    session.add(row)
    session.flush()
    _record(session, "create", row, actor=actor, now=now)
    return CreatedToken(row, token)


def revoke(
    session: Session,
    token: ApiToken,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Stop a token at once, for good. Repeatable."""
    if token.revoked_at is not None:
        return
    before = described(token)
    token.revoked_at = now
    session.flush()
    _record(session, "revoke", token, actor=actor, now=now, before=before, reason=reason)


def find_usable(
    session: Session, text: str, *, keys: Keys, now: datetime
) -> tuple[ApiToken, Operator] | None:
    """The token and its owner; None when it is unknown, expired, revoked or its owner disabled."""
    if not text.startswith(PREFIX):
        return None
    token = store.find_token(session, keys.token_digest(text))
    if token is None or token.revoked_at is not None:
        return None
    if token.expires_at is not None and token.expires_at <= now:
        return None
    owner = store.find(session, token.operator_id)
    return (token, owner) if owner is not None and owner.status == "active" else None


def rights(token: ApiToken, owner: Operator) -> Rights:
    """What the token may do now: its scopes, as far as its owner still has them."""
    narrowest = _narrower(owner.link_ids, token.link_ids)
    held = permissions_of(owner.role, link_ids=narrowest)
    return Rights(
        frozenset(token.scopes) & held,
        None if narrowest is None else frozenset(narrowest),
    )


def is_use_due(token: ApiToken, now: datetime) -> bool:
    """Whether the time of its last use should be written again."""
    return token.last_used_at is None or token.last_used_at + USED_EVERY <= now


def described(token: ApiToken) -> dict[str, Any]:
    """The token as JSON, without what it is."""
    return {
        "start": token.start,
        "name": token.name,
        "operator_id": token.operator_id,
        "scopes": token.scopes,
        "link_ids": token.link_ids,
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "revoked_at": None if token.revoked_at is None else token.revoked_at.isoformat(),
    }


def _listed(link_ids: Iterable[int] | None) -> list[int] | None:
    return None if link_ids is None else sorted(link_ids)


def _narrower(owner: list[int] | None, token: list[int] | None) -> list[int] | None:
    if owner is None or token is None:
        return token if owner is None else owner
    return sorted(set(owner) & set(token))


def _record(
    session: Session,
    verb: str,
    token: ApiToken,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"api_tokens.{verb}",
        subject=("api_token", token.id),
        now=now,
        change=(before, described(token)),
        reason=reason,
    )
