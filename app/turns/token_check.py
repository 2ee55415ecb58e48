"""Why a token would be accepted or refused on a link, without letting anybody in.

The same rules and the same order as ``identify``, but nothing is remembered or written: no session
is opened and nobody becomes a user. Each rule is one step, and where one says no the others that
can still be asked are asked too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy.orm import Session

from app.db import Database
from app.errors import Denied
from app.keys import Keys
from app.links.models import Link
from app.plans import store as plan_store
from app.tokens import known, verify
from app.tokens import store as token_store
from app.tokens.issuers import GUEST, LOCAL, IssuerSpec
from app.tokens.jwks import KeySets
from app.tokens.known import KnownIssuer
from app.tokens.refusals import TokenMissing, TokenRejected
from app.tokens.shapes import CHANNEL_ID_CHARS_MAX, TEXT_CHARS_MAX, shape
from app.turns import evidence as rules
from app.turns.evidence import Evidence
from app.turns.household import Household, known_user, link_context
from app.turns.link_context import LinkContext, UserContext
from app.turns.proving import Prover
from app.turns.refusals import LinkDisabled, UserSuspended, UserUnknown
from app.users import store as user_store

StepName = Literal[
    "link",
    "form",
    "issuer",
    "taken",
    "proof",
    "times",
    "binding",
    "revocation",
    "expiry",
    "user",
]
STEPS: tuple[StepName, ...] = get_args(StepName)
"""In the order in which the hooks ask."""

FORMS = {
    "jwt": "a signed token (JWT)",
    "opaque": "a token that was minted here",
    "guest": "the id that FastGPT's page gives a guest's browser",
    "other": "neither a JWT nor a token of ours: perhaps the id of a chat platform",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One rule: ``said`` tells operators what was found."""

    name: StepName
    outcome: Literal["passed", "failed", "skipped"]
    said: str = ""
    code: str | None = None
    """The refusal's, when it failed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``refusal`` is None when the token would be accepted; else it is the first step's."""

    refusal: Denied | None
    evidence: Evidence | None
    """What it proves; None when it is not genuine, or the link does not hear its issuer."""
    user: UserContext | None
    """Its id is None for somebody who would become a user."""
    session_until: datetime | None
    steps: tuple[Step, ...]

    @property
    def reason(self) -> str:
        if self.refusal is not None:
            return self.refusal.message
        if self.evidence and self.evidence.expires_at is None:
            return "the token is genuine and never expires"
        return "the token is genuine and valid now"


class Examiner:
    """Judges tokens by what the database holds at the moment it is asked."""

    def __init__(
        self,
        *,
        db: Database,
        keys: Keys,
        configured: Sequence[IssuerSpec],
        allow_private_jwks: bool,
    ) -> None:
        self._db = db
        self._keys = keys
        self._configured = configured
        self._prover = Prover(db=db, keys=keys, key_sets=KeySets(allow_private=allow_private_jwks))

    def examine(self, link: Link, token: str, now: datetime) -> Verdict:
        """What would happen if the link were opened with the token now.

        Raises:
            Unavailable: the issuer's keys cannot be had.
        """
        with self._db.read() as session:
            household = Household.of(
                known.join(token_store.list_issuers(session), self._configured, keys=self._keys),
                plan_store.list_all(session),
            )
        context = link_context(link, household, revision=0)
        walk = _Walk()
        with walk.step("link") as tell:
            if not context.is_active:
                raise LinkDisabled(f"link {link.name!r} is switched off")
            tell(f"link {link.name!r} is on")
        evidence = self._prove(walk, token, household, context, now)
        if evidence is None:
            return walk.verdict(None, None, None)
        with self._db.read() as session:
            return _judged(session, walk, evidence, household, context, now)

    def _prove(
        self, walk: "_Walk", token: str, household: Household, link: LinkContext, now: datetime
    ) -> Evidence | None:
        issuer = None
        with walk.step("form") as tell:
            tell(_form(token))
            with walk.step("issuer") as name:
                issuer = _issuer_of(token, household, link)
                name(f"issuer {issuer.name!r}")
        if issuer is None:
            return None
        with walk.step("taken") as tell:
            rules.check_issuer(issuer, link)
            tell(f"tokens of issuer {issuer.name!r} open this link")
        if walk.has_failed("taken"):
            return None
        evidence = None
        with walk.step("proof") as tell:
            digest = self._keys.token_digest(token)
            evidence = self._prover.prove(token, digest, household, for_link=link, now=now)
            tell(f"it is genuine and speaks for {evidence.subject!r}")
        return evidence


class _Walk:
    """The steps that were taken so far."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._refusal: Denied | None = None

    def step(self, name: StepName) -> "_Asking":
        """Ask one rule in this block; a refusal in it is noted, not raised."""
        return _Asking(self, name)

    def note(self, step: Step, refusal: Denied | None = None) -> None:
        self._refusal = self._refusal or refusal
        self._steps[step.name] = step

    def has_failed(self, name: StepName) -> bool:
        return self._steps[name].outcome == "failed"

    def verdict(
        self, evidence: Evidence | None, user: UserContext | None, until: datetime | None
    ) -> Verdict:
        steps = tuple(self._steps.get(name, Step(name, "skipped")) for name in STEPS)
        return Verdict(self._refusal, evidence, user, until, steps)


class _Asking:
    """One rule that is being asked."""

    def __init__(self, walk: _Walk, name: StepName) -> None:
        self._walk = walk
        self._name = name
        self._said = ""

    def __enter__(self) -> Callable[[str], None]:
        return self._tell

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        if isinstance(error, Denied):
            self._walk.note(Step(self._name, "failed", error.message, error.code), error)
            return True
        if error is None:
            self._walk.note(Step(self._name, "passed", self._said))
        return False

    def _tell(self, text: str) -> None:
        self._said = text


def _form(token: str) -> str:
    if not token:
        raise TokenMissing("there is no token")
    if len(token) > TEXT_CHARS_MAX:
        raise TokenRejected("the token is too long to be one")
    return FORMS[shape(token)]


def _issuer_of(token: str, household: Household, link: LinkContext) -> KnownIssuer:
    """Whose token it is by its looks, as the prover goes by them."""
    issuers, kind = household.issuers, shape(token)
    if kind in {"opaque", "guest"}:
        return issuers.by_name[LOCAL if kind == "opaque" else GUEST]
    said = verify.peek_issuer(token) if kind == "jwt" else None
    if (found := issuers.by_iss.get(said or "")) is not None and found.spec is not None:
        return found
    if len(token) <= CHANNEL_ID_CHARS_MAX:
        for pattern, issuer in issuers.channels:
            if issuer.name in (link.issuers or ()) and pattern.fullmatch(token):
                return issuer
    if kind == "jwt":
        raise TokenRejected(f"iss says {said!r}, and no issuer here is called that")
    raise TokenRejected("not a token of any issuer we know")


def _judged(
    session: Session,
    walk: _Walk,
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
    with walk.step("times") as tell:
        rules.check_times(evidence, now)
        tell("it is valid already, and not for too long")
    with walk.step("binding") as tell:
        rules.check_binding(evidence, link)
        is_bound = evidence.link_id is not None or evidence.links is not None
        tell("it is bound to this link" if is_bound else "it is bound to no link")
    with walk.step("revocation") as tell:
        rules.check_revocation(evidence, user)
        tell("it was not taken back")
    with walk.step("expiry") as tell:
        remembered = None if opened is None else rules.remembered_session(opened)
        if not evidence.is_self_proving:
            rules.check_session(evidence, remembered, user, now)
        tell(_lasting(evidence, now))
    with walk.step("user") as tell:
        tell(_welcome(evidence, user))
    return walk.verdict(evidence, user, None if opened is None else opened.expires_at)


def _lasting(evidence: Evidence, now: datetime) -> str:
    if evidence.has_expired(now):
        return "it has expired, and a session that it opened carries the visitor on"
    if evidence.expires_at is None:
        return "it never expires"
    return f"it is valid until {evidence.expires_at:%Y-%m-%d %H:%M:%S} UTC"


def _welcome(evidence: Evidence, user: UserContext) -> str:
    spec = evidence.user_issuer.spec
    if user.id is None and (spec is None or not spec.creates_users):
        raise UserUnknown(f"issuer {evidence.user_issuer.name!r} does not introduce new users")
    if not user.is_active:
        raise UserSuspended("the user is suspended")
    return "they become a user when they come" if user.id is None else f"they are user {user.uid}"
