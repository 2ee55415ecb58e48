"""What a token proves, as facts to remember, and the rules asked of the facts at every call.

Facts are kept, verdicts are not: expiry, revocation, suspension and what the link allows are
judged anew each time, so that no remembered yes outlives its reason.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from app.links.addresses import share_id
from app.tokens import verify
from app.tokens.issuers import IssuerSpec
from app.tokens.known import KnownIssuer
from app.tokens.models import VisitorSession
from app.tokens.refusals import TokenExpired, TokenRejected, TokenRevoked, TokenWrongLink
from app.turns.link_context import LinkContext, UserContext
from app.turns.refusals import GuestsRefused
from app.users.profile import NOTHING_SAID, Profile


@dataclass(frozen=True, slots=True)
class Evidence:
    """A genuine token, valid or not."""

    digest: str
    issuer: KnownIssuer
    """Whose token it is; our own tokens may speak for a user of another issuer."""
    user_issuer: KnownIssuer
    subject: str
    """In the form of ``users.subject.storable``."""
    uid: str
    checked_at: datetime
    profile: Profile = NOTHING_SAID
    plan_name: str | None = None
    issued_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    links: frozenset[str] | None = None
    """Names or share ids of the links it is bound to."""
    link_id: int | None = None
    token_id: int | None = None
    is_one_time: bool = False
    is_revoked: bool = False

    @property
    def is_self_proving(self) -> bool:
        """A guest's or a channel's id: it has no times, opens no session and needs no row yet."""
        return self.issuer.kind in ("guest", "channel")

    @property
    def jwt_spec(self) -> IssuerSpec | None:
        """The rules of a foreign issuer; None for our own tokens and for bare ids."""
        return self.issuer.spec if self.issuer.kind == "jwt" else None

    def has_expired(self, now: datetime) -> bool:
        # Only other clocks than ours are given leeway.
        leeway_s = 0 if self.jwt_spec is None else self.jwt_spec.leeway_s
        return verify.has_expired(self.expires_at, leeway_s, now)


@dataclass(frozen=True, slots=True)
class Session:
    """A session as remembered."""

    opened_at: datetime
    expires_at: datetime
    is_ended: bool

    def carries(self, user: UserContext, now: datetime) -> bool:
        is_revoked = user.tokens_valid_after and self.opened_at < user.tokens_valid_after
        return now < self.expires_at and not self.is_ended and not is_revoked


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
NO_SESSION = Session(_LONG_AGO, _LONG_AGO, is_ended=True)
"""One that was looked for and is not there."""


def remembered_session(row: VisitorSession) -> Session:
    return Session(row.opened_at, row.expires_at, is_ended=row.ended_at is not None)


def check_issuer(issuer: KnownIssuer, link: LinkContext) -> None:
    """Refuse an issuer that is switched off or whose tokens do not open the link.

    Raises:
        TokenRejected: switched off, or gone from the configuration.
        GuestsRefused: the link takes no guests.
        TokenWrongLink: not one of the link's.
    """
    if not issuer.is_active:
        raise TokenRejected(f"issuer {issuer.name!r} is switched off")
    if issuer.kind == "guest":
        if not link.allows_guests:
            raise GuestsRefused(f"link {link.name!r} takes no guests")
        return
    is_named = link.issuers is not None and issuer.name in link.issuers
    is_implied = link.issuers is None and issuer.kind != "channel"
    if not is_named and not is_implied:
        raise TokenWrongLink(f"tokens of issuer {issuer.name!r} do not open link {link.name!r}")


def check_facts(evidence: Evidence, user: UserContext, link: LinkContext, now: datetime) -> None:
    """Refuse what is wrong with the token whatever session it has.

    Raises:
        TokenRejected, TokenWrongLink, TokenRevoked: in this order.
    """
    check_issuer(evidence.issuer, link)
    check_times(evidence, now)
    check_binding(evidence, link)
    check_revocation(evidence, user)


def check_times(evidence: Evidence, now: datetime) -> None:
    """Refuse a signed token that is not valid yet, or lives longer than its issuer may say.

    Raises:
        TokenRejected: says which.
    """
    if evidence.jwt_spec is None:
        return
    verify.check_times(
        evidence.jwt_spec,
        issued_at=evidence.issued_at,
        not_before=evidence.not_before,
        expires_at=evidence.expires_at,
        now=now,
    )


def check_binding(evidence: Evidence, link: LinkContext) -> None:
    """Refuse a token that was made for other links.

    Raises:
        TokenWrongLink: it was.
    """
    named = {link.name, share_id(link.share_url)}
    if evidence.links is not None and not evidence.links & named:
        raise TokenWrongLink("the token is bound to another link")
    if evidence.link_id not in (None, link.id):
        raise TokenWrongLink("the token is bound to another link")


def check_revocation(evidence: Evidence, user: UserContext) -> None:
    """Refuse a token that was taken back, alone or with all others of its user.

    Raises:
        TokenRevoked: it was.
    """
    if evidence.is_revoked or _is_older_than_revocation(evidence, user):
        raise TokenRevoked("the token has been revoked")


def check_session(
    evidence: Evidence, session: Session | None, user: UserContext, now: datetime
) -> None:
    """Refuse a token whose time is over, or that had one session, unless that goes on.

    Raises:
        TokenExpired: nothing carries the visitor on.
    """
    is_spent = evidence.has_expired(now) or (evidence.is_one_time and session is not None)
    if is_spent and not (session and session.carries(user, now)):
        raise TokenExpired("the token has expired, and no session carries the visitor on")


def _is_older_than_revocation(evidence: Evidence, user: UserContext) -> bool:
    if user.tokens_valid_after is None or evidence.is_self_proving:
        return False
    # A token that does not say when it was made may be an old one.
    return evidence.issued_at is None or evidence.issued_at < user.tokens_valid_after
