"""What opens the visitor's own page: links that operators make, and the sessions they begin.

Both are sealed and kept by nobody: a pass says whose it is, since when, until when, and what it
came from. That is looked up anew at each use, so a pass ends with its user's suspension, with the
revocation of all their tokens, and with the token or the issuer that it came from.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.keys import Keys, SealBroken
from app.links.addresses import share_id
from app.links.models import Link
from app.tokens import store as token_store
from app.tokens.issuers import LOCAL
from app.tokens.refusals import TokenExpired, TokenRejected, TokenRevoked
from app.tokens.shapes import signed_part
from app.turns.evidence import Evidence
from app.turns.household import Household
from app.turns.refusals import UserSuspended
from app.users import store as user_store
from app.users.commands import ACTIVE
from app.users.models import User

Kind = Literal["link", "session"]

TEXT_CHARS_MAX = 4000
LINK_SECONDS_MIN = 60
LINK_SECONDS_MAX = 30 * 86400


@dataclass(frozen=True, slots=True)
class Pass:
    """Times are microseconds since 1970: whole numbers come back as they went in."""

    kind: Kind
    user_id: int
    made_us: int
    expires_us: int
    issuer: str = LOCAL
    """Whose word it came from; what an operator made is our own."""
    links: tuple[str, ...] | None = None
    """Names or share ids of the only links that the token opens; None: whichever."""
    link_id: int | None = None
    token_id: int | None = None
    """The minted token it came from; it ends with it."""
    signed_digest: str | None = None
    """The same of a token that somebody else signed."""

    @property
    def expires_at(self) -> datetime:
        return _moment(self.expires_us)

    def opens(self, link: Link) -> bool:
        """Whether whoever has it could have opened the link with what it came from.

        And whether the link takes tokens of ours, which is what they are given to open it.
        """
        takes = link.issuers
        if link.status != ACTIVE or not link.share_url:
            return False
        if takes is not None and not {LOCAL, self.issuer} <= set(takes):
            return False
        if self.link_id not in (None, link.id):
            return False
        return self.links is None or bool(set(self.links) & {link.name, share_id(link.share_url)})


def make_link(
    session: Session, user: User, *, lasts: timedelta, keys: Keys, actor: Actor, now: datetime
) -> str:
    """The sealed part of a link to the user's page, for as long as ``lasts``.

    It opens the page as often as one likes until then; revoking the user's tokens ends it.
    """
    made = Pass("link", user.id, _us(now), _us(now + lasts))
    journal.record(
        session,
        actor=actor,
        action="users.page_link",
        subject=("user", user.id),
        now=now,
        change=(None, {"expires_at": made.expires_at.isoformat()}),
    )
    return _sealed(made, keys)


def address(public_url: str, link: str) -> str:
    """What is sent to the visitor."""
    return f"{public_url.rstrip('/')}/me/s/{link}"


def begin_by_token(
    evidence: Evidence, token: str, user_id: int, *, lasts: timedelta, keys: Keys, now: datetime
) -> str:
    """The sealed session of somebody who came with a token that is valid now."""
    is_foreign = evidence.token_id is None
    made = Pass(
        "session",
        user_id,
        _us(now),
        _us(now + lasts),
        issuer=evidence.issuer.name,
        links=None if evidence.links is None else tuple(sorted(evidence.links)),
        link_id=evidence.link_id,
        token_id=evidence.token_id,
        signed_digest=keys.token_digest(signed_part(token)) if is_foreign else None,
    )
    return _sealed(made, keys)


def begin_by_link(link: Pass, *, lasts: timedelta, keys: Keys, now: datetime) -> str:
    """The sealed session of somebody who opened a link to their page."""
    return _sealed(Pass("session", link.user_id, _us(now), _us(now + lasts)), keys)


def read(text: str, kind: Kind, *, keys: Keys, now: datetime) -> Pass:
    """The pass in a text that came from outside.

    Raises:
        TokenRejected: it is none of this kind.
        TokenExpired: its time is over.
    """
    found = _opened(text, keys)
    if found is None or found.kind != kind:
        raise TokenRejected("this is no pass to a visitor's page")
    if _us(now) >= found.expires_us:
        raise TokenExpired("the pass to the visitor's page has expired")
    return found


def check(session: Session, given: Pass, household: Household) -> User:
    """The user whose pass it is.

    Raises:
        TokenRejected: there is no such user, or its issuer is switched off.
        TokenRevoked: it, what it came from, or all that the user had was taken back.
        UserSuspended: as it says.
    """
    user = user_store.find_by_id(session, given.user_id)
    issuer = household.issuers.by_name.get(given.issuer)
    if user is None or issuer is None or not issuer.is_active:
        raise TokenRejected("the user or the issuer of this pass is gone")
    if user.status != ACTIVE:
        raise UserSuspended("the user is suspended")
    after = user.tokens_valid_after
    if (after is not None and given.made_us < _us(after)) or _is_source_revoked(session, given):
        raise TokenRevoked("the pass to the visitor's page was revoked")
    return user


def _is_source_revoked(session: Session, given: Pass) -> bool:
    if given.token_id is not None:
        token = token_store.find_by_id(session, given.token_id)
        return token is None or token.revoked_at is not None
    digest = given.signed_digest
    return digest is not None and token_store.is_revoked(session, digest)


def _sealed(made: Pass, keys: Keys) -> str:
    said = {name: value for name, value in asdict(made).items() if value is not None}
    return keys.seal(json.dumps({"pass": said}, separators=(",", ":")).encode())


def _opened(text: str, keys: Keys) -> Pass | None:
    """None for whatever is not a pass, such as another thing that was sealed here."""
    if len(text) > TEXT_CHARS_MAX or not text.isascii():
        return None
    try:
        match json.loads(keys.unseal(text)):
            case {"pass": dict(said)}:
                return _made_of(said)
    except (SealBroken, ValueError, TypeError):
        return None
    return None


def _made_of(said: Mapping[str, Any]) -> Pass:
    links = said.get("links")
    return Pass(**{**said, "links": None if links is None else tuple(links)})


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
