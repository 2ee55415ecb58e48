"""Why a token would be accepted or refused on a link, without letting anybody in.

The same rules and the same order as ``turns.identify``, but nothing is remembered or written: no
session is opened and nobody becomes a user.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.cli.output import iso
from app.cli.session import Desk
from app.errors import Denied
from app.links.models import Link
from app.plans import store as plan_store
from app.tokens import known
from app.tokens import store as token_store
from app.tokens.jwks import KeySets
from app.tokens.models import VisitorSession
from app.turns import evidence as rules
from app.turns.evidence import Evidence
from app.turns.household import Household, known_user, link_context, plan_context
from app.turns.link_context import LinkContext, UserContext
from app.turns.proving import Prover
from app.turns.refusals import LinkDisabled, UserSuspended, UserUnknown
from app.users import store as user_store


@dataclass(frozen=True, slots=True)
class Verdict:
    """``refusal`` is None when the token would be accepted."""

    refusal: Denied | None
    evidence: Evidence | None
    """What it proves; None when it is not genuine, or the link does not hear its issuer."""
    user: UserContext | None
    """Its id is None for somebody who would become a user."""
    session_until: datetime | None

    @property
    def reason(self) -> str:
        if self.refusal is not None:
            return self.refusal.message
        if self.evidence and self.evidence.expires_at is None:
            return "the token is genuine and never expires"
        return "the token is genuine and valid now"

    def described(self) -> dict[str, Any]:
        evidence, user = self.evidence, self.user
        return {
            "accepted": self.refusal is None,
            "code": self.refusal.code if self.refusal else "ok",
            "reason": self.reason,
            "issuer": evidence.issuer.name if evidence else None,
            "subject": evidence.subject if evidence else None,
            "uid": evidence.uid if evidence else None,
            "is_known_user": user is not None and user.id is not None,
            "issued_at": iso(evidence.issued_at) if evidence else None,
            "expires_at": iso(evidence.expires_at) if evidence else None,
            "session_until": iso(self.session_until),
        }


def examine(desk: Desk, link: Link, token: str) -> Verdict:
    """What would happen if the link were opened with the token now.

    Raises:
        Unavailable: the issuer's keys cannot be had.
    """
    with desk.db.read() as session:
        household = _household(desk, session)
    context = link_context(link, household, revision=0)
    digest = desk.keys.token_digest(token)
    prover = Prover(
        db=desk.db,
        keys=desk.keys,
        key_sets=KeySets(allow_private=desk.settings.identity.allow_private_jwks),
    )
    try:
        evidence = prover.prove(token, digest, household, for_link=context, now=desk.now)
    except Denied as refusal:
        return Verdict(refusal, None, None, None)
    with desk.db.read() as session:
        return _judged(session, evidence, household, context, desk.now)


def _judged(
    session: Session,
    evidence: Evidence,
    household: Household,
    link: LinkContext,
    now: datetime,
) -> Verdict:
    row = user_store.find(session, evidence.user_issuer.id, evidence.subject)
    user = known_user(
        row,
        issuer=evidence.user_issuer,
        subject=evidence.subject,
        uid=evidence.uid,
        household=household,
    ).context
    opened = token_store.find_session(session, evidence.digest, link.id)
    until = None if opened is None else opened.expires_at
    try:
        _check(evidence, user, link, opened, now)
    except Denied as refusal:
        return Verdict(refusal, evidence, user, until)
    return Verdict(None, evidence, user, until)


def _check(
    evidence: Evidence,
    user: UserContext,
    link: LinkContext,
    opened: VisitorSession | None,
    now: datetime,
) -> None:
    if not link.is_active:
        raise LinkDisabled(f"link {link.name!r} is switched off")
    rules.check_facts(evidence, user, link, now)
    if not evidence.is_self_proving:
        remembered = None
        if opened is not None:
            remembered = rules.Session(
                opened.opened_at, opened.expires_at, is_ended=opened.ended_at is not None
            )
        rules.check_session(evidence, remembered, user, now)
    spec = evidence.user_issuer.spec
    if user.id is None and (spec is None or not spec.creates_users):
        raise UserUnknown(f"issuer {evidence.user_issuer.name!r} does not introduce new users")
    if not user.is_active:
        raise UserSuspended("the user is suspended")


def _household(desk: Desk, session: Session) -> Household:
    plans = [plan_context(row) for row in plan_store.list_all(session)]
    return Household(
        issuers=known.join(
            token_store.list_issuers(session), desk.configured_issuers, keys=desk.keys
        ),
        plans={plan.id: plan for plan in plans},
        plans_by_name={plan.name: plan for plan in plans},
    )
