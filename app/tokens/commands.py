"""What an operator may do to tokens: mint and revoke them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import revision
from app.audit import journal
from app.audit.journal import Actor
from app.keys import Keys, new_token
from app.tokens import store, verify
from app.tokens.models import Token, VisitorSession
from app.tokens.shapes import shape, signed_part

YEARS_TEN_S = 10 * 366 * 86400


class MintSpec(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: int
    link_id: int | None = None
    """The only link it opens; None for any that takes our own tokens."""
    ttl_s: Annotated[int, Field(ge=1, le=YEARS_TEN_S)] | None = 86400
    """Seconds until it expires; None: never."""
    is_one_time: bool = False
    """It opens one session, and no other when that has ended."""
    label: Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")] | None = None


@dataclass(frozen=True, slots=True)
class Minted:
    token: Token
    text: str
    """The token itself: shown now or never."""


def mint(session: Session, spec: MintSpec, *, keys: Keys, actor: Actor, now: datetime) -> Minted:
    """A new token.

    Bumps no revision, for no worker can have remembered it: a backend that mints one for each
    visitor must not make every worker forget everything each time.
    """
    text = new_token()
    token = Token(
        digest=keys.token_digest(text),
        user_id=spec.user_id,
        link_id=spec.link_id,
        is_one_time=spec.is_one_time,
        label=spec.label,
        created_at=now,
        expires_at=None if spec.ttl_s is None else now + timedelta(seconds=spec.ttl_s),
        revoked_at=None,
    )
    store.add_token(session, token)
    journal.record(
        session,
        actor=actor,
        action="tokens.mint",
        subject=("token", token.id),
        now=now,
        change=(None, _journaled(token)),
    )
    return Minted(token, text)


def revoke(
    session: Session, token: Token, *, actor: Actor, now: datetime, reason: str | None = None
) -> Token:
    """Take a minted token back and end its sessions. What was asked with it is still billed."""
    before = _journaled(token)
    token.revoked_at = token.revoked_at or now
    session.flush()
    store.end_sessions(session, token.digest, now)
    journal.record(
        session,
        actor=actor,
        action="tokens.revoke",
        subject=("token", token.id),
        now=now,
        change=(before, _journaled(token)),
        reason=reason,
    )
    revision.bump(session)
    return token


def end_session(
    session: Session,
    opened: VisitorSession,
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """End one session; ended before, it stays as it was.

    It carries nobody past the expiry of their token any more. A token that is still valid goes on
    until then, unless it is revoked.
    """
    if opened.ended_at is not None:
        return
    opened.ended_at = now
    session.flush()
    journal.record(
        session,
        actor=actor,
        action="sessions.end",
        subject=("user", opened.user_id),
        now=now,
        change=(None, {"session": opened.id, "link_id": opened.link_id}),
        reason=reason,
    )
    revision.bump(session)


def revoke_text(
    session: Session,
    text: str,
    *,
    keys: Keys,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> Literal["minted", "foreign"]:
    """Take back the token with this text: one of ours, or one that another issuer signed.

    A foreign token is kept as a digest of what its signature covers, so that it is revoked however
    the signature is written. Revoking twice is as good as once.
    """
    digest = keys.token_digest(text)
    if (token := store.find_token(session, digest)) is not None:
        revoke(session, token, actor=actor, now=now, reason=reason)
        return "minted"
    signed_digest = keys.token_digest(signed_part(text))
    row = {
        "digest": signed_digest,
        "revoked_at": now,
        "expires_at": verify.peek_expiry(text) if shape(text) == "jwt" else None,
        "reason": reason,
    }
    if store.insert_revocation_if_new(session, row):
        store.end_sessions(session, digest, now)
        journal.record(
            session,
            actor=actor,
            action="tokens.revoke_foreign",
            subject=("token_digest", signed_digest),
            now=now,
            reason=reason,
        )
        revision.bump(session)
    return "foreign"


def _journaled(token: Token) -> dict[str, Any]:
    """As described, but for its label: it may name somebody, and journal rows are for ever."""
    return {name: value for name, value in describe(token).items() if name != "label"}


def describe(token: Token) -> dict[str, Any]:
    """The token as JSON, without anything that opens a link."""
    return {
        "id": token.id,
        "user_id": token.user_id,
        "link_id": token.link_id,
        "is_one_time": token.is_one_time,
        "label": token.label,
        "created_at": token.created_at.isoformat(),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        "revoked_at": None if token.revoked_at is None else token.revoked_at.isoformat(),
    }
