"""Who is asking: joins links, issuers, tokens, sessions, users and plans.

A ``Directory`` is one worker's view of them, kept in memory and safe for its threads. In the
steady state it answers without SQL and without checking a signature twice. While the database is
away, what is remembered goes on serving.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.config import Locale
from app.db import Database
from app.errors import Denied, Unavailable
from app.keys import Keys
from app.links import store as link_store
from app.plans import store as plan_store
from app.tokens import known
from app.tokens import store as token_store
from app.tokens.issuers import IssuerSpec
from app.tokens.jwks import KeySets
from app.tokens.refusals import TokenExpired, TokenMissing, TokenRejected, TokenWrongLink
from app.tokens.shapes import shape
from app.turns import evidence as rules
from app.turns.evidence import Evidence
from app.turns.household import Household, KnownUser, link_context
from app.turns.link_context import LinkContext, Proof, Purpose, UserContext, Visitor
from app.turns.memory import Memory, Shelf
from app.turns.proving import Prover
from app.turns.refusals import GuestsRefused, LinkDisabled, LinkUnknown, UserSuspended
from app.turns.register import VISITORS_MAX, Call, HookCall, Register

LINKS_MAX = 2_000
SIGNATURE_MAX_AGE = timedelta(minutes=5)
"""How long a checked signature is believed. A key withdrawn from its set takes its tokens with it
within this and the set's time to live, and the sessions they opened: a key that is merely replaced
should stay published for as long as sessions last."""
UNKNOWN_FOR = timedelta(seconds=5)
"""How long a key or token that nobody knows is not looked up again."""


@dataclass(frozen=True, slots=True)
class _KeyedLink:
    context: LinkContext
    expires_at: datetime | None
    """When this key of it ends."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Somebody whose token is valid now, and what it proves."""

    user_id: int
    locale: Locale | None
    evidence: Evidence


class Directory:
    """Finds links and visitors for the hooks of one process.

    ``session_max_age`` is how long a visitor who opened a link with a valid token may go on after
    the token expired.
    """

    def __init__(
        self,
        *,
        db: Database,
        keys: Keys,
        key_sets: KeySets,
        config_issuers: Sequence[IssuerSpec] = (),
        session_max_age: timedelta,
    ) -> None:
        self._db = db
        self._keys = keys
        self._prover = Prover(db=db, keys=keys, key_sets=key_sets)
        self._configured = tuple(config_issuers)
        memory = self._memory = Memory()
        self._register = Register(db=db, memory=memory, session_max_age=session_max_age)
        self._households: Shelf[str, Household] = memory.shelf(1)
        self._keyed_links: Shelf[str, _KeyedLink] = memory.shelf(LINKS_MAX)
        self._named_links: Shelf[str, LinkContext] = memory.shelf(LINKS_MAX)
        self._evidence: Shelf[str, Evidence] = memory.shelf(VISITORS_MAX)
        # What somebody made up must not crowd out what is real.
        self._unknown_keys: Shelf[str, datetime] = memory.shelf(LINKS_MAX)
        self._strangers: Shelf[tuple[str, int], datetime] = memory.shelf(VISITORS_MAX)

    @property
    def revision(self) -> int:
        """The service's revision that everything in memory is at least as new as."""
        return self._memory.revision

    def forget(self, revision: int) -> None:
        """Drop everything remembered: the service is at ``revision`` now."""
        self._memory.forget(revision)

    def link(self, key: str, now: datetime) -> LinkContext:
        """The link of this root URL key, also when it is switched off.

        Raises:
            LinkUnknown: no link has the key, or it was rotated out.
            DatabaseAway: the key is not in memory and the database does not answer.
        """
        digest = self._keys.link_key_digest(key)
        found = self._recall(digest, now) or self._load_keyed_link(digest, now)
        return _live(found, now)

    def recall_link(self, key: str, now: datetime) -> LinkContext | None:
        """The same from memory alone; None where only the database knows.

        Raises:
            LinkUnknown: it was found a moment ago that no link has the key.
        """
        found = self._recall(self._keys.link_key_digest(key), now)
        return None if found is None else _live(found, now)

    def recall_link_by_name(self, name: str) -> LinkContext | None:
        return self._named_links.get(name)

    def link_by_name(self, name: str, now: datetime) -> LinkContext:
        """The link that the root without a key stands for, also when it is switched off.

        Raises:
            LinkUnknown: no link has the name.
            DatabaseAway: as above.
        """
        del now
        found = self._named_links.get(name)
        if found is not None:
            return found
        epoch, revision = self._memory.epoch, self._memory.revision
        household = self.household()
        with self._db.read() as session:
            row = link_store.find_by_name(session, name)
        if row is None:
            raise LinkUnknown(f"no link is named {name!r}")
        context = link_context(row, household, revision=revision)
        self._named_links.put(name, context, epoch=epoch)
        return context

    def identify(
        self, link: LinkContext, token: str | None, now: datetime, purpose: Purpose
    ) -> Visitor:
        """Who ``token`` speaks for on ``link``.

        The first reason that applies refuses, in this order: LinkDisabled, TokenMissing,
        GuestsRefused, TokenRejected, TokenWrongLink (at once for an issuer the link does not
        take), TokenRevoked, TokenExpired, UserUnknown, UserSuspended. To ``bill``, only
        TokenMissing, TokenRejected and UserUnknown do: whatever has changed since the question was
        admitted, the answer is billed to whoever asked.

        Raises:
            Denied: one of the above.
            Unavailable: what is needed is not in memory and the database, or the issuer's key
                set, cannot be had now.
        """
        epoch = self._memory.epoch
        revision = min(link.revision, self._memory.revision)
        if purpose != "bill" and not link.is_active:
            raise LinkDisabled(f"link {link.name!r} is switched off")
        if not token:
            raise TokenMissing("the call carries no token")
        call = HookCall(now, purpose, self.household(), epoch, link)
        digest = self._keys.token_digest(token)
        if purpose == "bill":
            user, is_guest, proof = self._debtor(token, digest, call)
        else:
            user, is_guest, proof = self._entrant(token, digest, call)
        return Visitor(link=link, user=user, is_guest=is_guest, proof=proof, revision=revision)

    def recognise(self, token: str | None, now: datetime) -> "Recognised":
        """Whom ``token`` speaks for where no link is asked for: the visitor's own page.

        Stricter than a link: what is not valid now is carried on by no session, what may open one
        session only opens none here, and ids that prove nothing say nothing. Nothing is believed
        from memory but who the user is.

        Raises:
            Denied: TokenMissing, GuestsRefused, TokenRejected, TokenRevoked, TokenExpired,
                TokenWrongLink (it is for one session), UserUnknown or UserSuspended.
            Unavailable: the database, or the issuer's key set, cannot be had now.
        """
        epoch = self._memory.epoch
        if not token:
            raise TokenMissing("no token was given")
        if shape(token) == "guest":
            raise GuestsRefused("a guest's id opens no page of their own")
        household = self.household()
        digest = self._keys.token_digest(token)
        evidence = self._prover.prove(token, digest, household, for_link=None, now=now)
        if evidence.is_self_proving or not evidence.issuer.is_active:
            raise TokenRejected(f"tokens of issuer {evidence.issuer.name!r} open no page")
        call = Call(now, "open", household, epoch)
        user = self._register.find(evidence, call)
        try:
            return self._recognised(evidence, user, call)
        except Denied as refusal:
            refusal.locale = user.context.locale
            raise

    def _recognised(self, evidence: Evidence, user: KnownUser, call: Call) -> "Recognised":
        rules.check_times(evidence, call.now)
        rules.check_revocation(evidence, user.context)
        if evidence.has_expired(call.now):
            raise TokenExpired("the token has expired")
        if evidence.is_one_time:
            raise TokenWrongLink("the token was made for one session on a link")
        if user.context.id is None:
            user = self._register.introduce(evidence, call)
        if user.context.id is None or not user.context.is_active:
            raise UserSuspended("the user is suspended")
        return Recognised(user.context.id, user.context.locale, evidence)

    def recall_debtor(self, token: str | None, now: datetime) -> int | None:
        """The id of the user whom an answer is billed to, from memory alone; None if not there."""
        household = self._households.get("")
        if household is None or not token:
            return None
        digest = self._keys.token_digest(token)
        evidence = self._evidence.get(digest)
        if evidence is None and shape(token) == "guest":  # not remembered, and needs no proof
            evidence = self._prover.prove(token, digest, household, for_link=None, now=now)
        return None if evidence is None else self._register.recall(evidence)

    def _entrant(self, token: str, digest: str, call: HookCall) -> "_Found":
        evidence = self._proven(token, digest, call)
        user = self._register.find(evidence, call)
        try:
            rules.check_facts(evidence, user.context, call.link, call.now)
            return self._entered(evidence, user, call)
        except Denied as refusal:
            refusal.locale = user.context.locale
            refusal.person = user.context.person(is_self_proving=evidence.is_self_proving)
            raise

    def _entered(self, evidence: Evidence, user: KnownUser, call: HookCall) -> "_Found":
        """What lets them in now; opens a session and makes a row where these are due."""
        is_bare = evidence.is_self_proving
        session = None if is_bare else self._register.session(evidence, call)
        rules.check_session(evidence, session, user.context, call.now)
        if session is not None and user.context.id is None:
            # Another worker has made the row and opened the session since we looked for the row.
            user = self._register.introduce(evidence, call)
        if not user.context.is_active:
            raise UserSuspended("the user is suspended")
        if is_bare:
            if user.context.id is None and call.purpose == "ask":
                user = self._register.introduce(evidence, call)
        elif session is None:
            user, session = self._register.open_session(evidence, user, call)
            rules.check_session(evidence, session, user.context, call.now)
        proof: Proof = "session" if evidence.has_expired(call.now) else "token"
        return _found(evidence, user, call, proof)

    def _debtor(self, token: str, digest: str, call: HookCall) -> "_Found":
        try:
            evidence = self._proven(token, digest, call)
        except (TokenRejected, Unavailable):
            by_session = self._register.find_by_session(digest, call)
            if by_session is None:
                raise
            return by_session.context, False, "session"
        user = self._register.find(evidence, call)
        if user.context.id is None:
            user = self._register.introduce(evidence, call)
        is_valid = not evidence.has_expired(call.now) and not evidence.is_revoked
        return _found(evidence, user, call, "token" if is_valid else "signature")

    def _proven(self, token: str, digest: str, call: HookCall) -> Evidence:
        """The evidence of a token, from memory while that is good."""
        evidence = self._evidence.get(digest)
        if evidence is None:
            return self._prove(token, digest, call)
        spec = evidence.jwt_spec
        is_fresh = call.now - evidence.checked_at < SIGNATURE_MAX_AGE
        if spec is None or is_fresh or call.purpose == "bill":
            return evidence
        try:
            self._prover.check_again(token, spec, call.now)
        except TokenRejected:
            self._evidence.drop(digest)
            raise
        evidence = replace(evidence, checked_at=call.now)
        self._evidence.put(digest, evidence, epoch=call.epoch)
        return evidence

    def _prove(self, token: str, digest: str, call: HookCall) -> Evidence:
        household = call.household
        if call.purpose == "bill":  # no rejection to open or ask decides who owes
            return self._prover.prove(token, digest, household, for_link=None, now=call.now)
        place = (digest, call.link.id)
        known_until = self._strangers.get(place)
        if known_until is not None and call.now < known_until:
            raise TokenRejected("not a token of any issuer we know")
        try:
            evidence = self._prover.prove(
                token, digest, household, for_link=call.link, now=call.now
            )
        except TokenRejected:
            self._strangers.put(place, call.now + UNKNOWN_FOR, epoch=call.epoch)
            raise
        if not evidence.is_self_proving:  # guests' are made faster than found
            self._evidence.put(digest, evidence, epoch=call.epoch)
        return evidence

    def _recall(self, digest: str, now: datetime) -> "_KeyedLink | None":
        found = self._keyed_links.get(digest)
        if found is None:
            unknown_until = self._unknown_keys.get(digest)
            if unknown_until is not None and now < unknown_until:
                raise LinkUnknown("no link has this key")
        return found

    def _load_keyed_link(self, digest: str, now: datetime) -> "_KeyedLink | None":
        epoch, revision = self._memory.epoch, self._memory.revision
        household = self.household()
        with self._db.read() as session:
            row = link_store.find_by_key_digest(session, digest)
        if row is None:
            self._unknown_keys.put(digest, now + UNKNOWN_FOR, epoch=epoch)
            return None
        found = _KeyedLink(link_context(row[0], household, revision=revision), row[1])
        self._keyed_links.put(digest, found, epoch=epoch)
        return found

    def household(self) -> Household:
        """The issuers and plans, as far as this worker has heard."""
        found = self._households.get("")
        if found is not None:
            return found
        epoch = self._memory.epoch
        with self._db.read() as session:
            issuer_rows = token_store.list_issuers(session)
            plan_rows = plan_store.list_all(session)
        issuers = known.join(issuer_rows, self._configured, keys=self._keys)
        found = Household.of(issuers, plan_rows)
        self._households.put("", found, epoch=epoch)
        return found


def _live(found: _KeyedLink | None, now: datetime) -> LinkContext:
    if found is None or (found.expires_at is not None and now >= found.expires_at):
        raise LinkUnknown("no link has this key")
    return found.context


_Found = tuple[UserContext, bool, Proof]
"""Who, whether a guest, and how we know."""


def _found(evidence: Evidence, user: KnownUser, call: HookCall, proof: Proof) -> _Found:
    is_guest = evidence.issuer.kind == "guest"
    context = user.context
    if is_guest and not user.has_own_plan:
        context = replace(context, plan=call.link.guest_plan)
    return context, is_guest, proof
