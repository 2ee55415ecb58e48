"""A worker's register of visitors: their rows and sessions, from memory or from the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session as DbSession

from app.db import Database
from app.tokens import sessions
from app.tokens import store as token_store
from app.turns.evidence import NO_SESSION, Evidence, Session, remembered_session
from app.turns.household import Household, KnownUser, known_user
from app.turns.link_context import LinkContext, Purpose
from app.turns.memory import Memory, Shelf
from app.turns.refusals import UserUnknown
from app.users import commands as users
from app.users import store as user_store
from app.users.models import User

VISITORS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody who comes with a token, and the memory's epoch when they did."""

    now: datetime
    purpose: Purpose
    household: Household
    epoch: int


@dataclass(frozen=True, slots=True)
class HookCall(Call):
    """One call of a hook, which is about a link."""

    link: LinkContext


class Register:
    def __init__(self, *, db: Database, memory: Memory, session_max_age: timedelta) -> None:
        self._db = db
        self._session_max_age = session_max_age
        self._users: Shelf[tuple[int, str], KnownUser] = memory.shelf(VISITORS_MAX)
        # Anybody can make up guests: they must not crowd out those who proved who they are.
        self._guests: Shelf[tuple[int, str], KnownUser] = memory.shelf(VISITORS_MAX)
        self._sessions: Shelf[tuple[str, int], Session] = memory.shelf(VISITORS_MAX)

    def find(self, evidence: Evidence, call: Call) -> KnownUser:
        """The user, or the blank of one who has no row.

        Writes nothing but what a valid token's claims say differently from the row.
        """
        place = (evidence.user_issuer.id, evidence.subject)
        known = self._shelf(evidence).get(place)
        if known is not None:
            return known
        with self._db.read() as session:
            row = user_store.find(session, *place)
            erased = None if row else user_store.find_erased(session, evidence.uid)
        if erased is not None:
            return self._after_erasure(erased, evidence, call)
        if row is not None and call.purpose != "bill" and not evidence.has_expired(call.now):
            row = self._with_new_claims(row, evidence)
        return self._keep(row, evidence, call)

    def _after_erasure(self, erased: User, evidence: Evidence, call: Call) -> KnownUser:
        """Whom somebody means whose row was erased.

        A token from before still means that row, which lets nobody in and is billed for what was
        asked. Whoever comes anew is somebody new, with another uid from their first call on.
        """
        if evidence.is_self_proving:
            return self.introduce(evidence, call)
        is_new = evidence.issued_at is not None and evidence.issued_at >= (
            erased.erased_at or call.now
        )
        if is_new:
            return self._keep(None, evidence, call)
        # Not kept: what is remembered goes by the subject, and is not of this token alone.
        return self._known(erased, evidence, call)

    def recall(self, evidence: Evidence) -> int | None:
        """The id of the user's row, from memory alone; None if it is not there."""
        known = self._shelf(evidence).get((evidence.user_issuer.id, evidence.subject))
        return None if known is None else known.context.id

    def introduce(self, evidence: Evidence, call: Call) -> KnownUser:
        """The user with a row, made when there is none.

        Raises:
            UserUnknown: the issuer may not introduce people.
        """
        with self._db.begin() as session:
            row = self._ensure(session, evidence, call)
        return self._keep(row, evidence, call)

    def session(self, evidence: Evidence, call: HookCall) -> Session | None:
        """The session of this token on this link; None where one may still be opened."""
        place = (evidence.digest, call.link.id)
        known = self._sessions.get(place)
        if known is not None:
            return known
        with self._db.read() as db_session:
            row = token_store.find_session(db_session, *place)
        if row is None and not evidence.has_expired(call.now):
            return None
        found = NO_SESSION if row is None else remembered_session(row)
        self._sessions.put(place, found, epoch=call.epoch)
        return found

    def open_session(
        self, evidence: Evidence, user: KnownUser, call: HookCall
    ) -> tuple[KnownUser, Session]:
        """The user's session on this link, both with rows made where there were none.

        Raises:
            UserUnknown: the issuer may not introduce people.
            TokenWrongLink: a one-time token opened its session on another link.
        """
        with self._db.begin() as db_session:
            row = None if user.context.id else self._ensure(db_session, evidence, call)
            opened = sessions.open_session(
                db_session,
                token_digest=evidence.digest,
                link_id=call.link.id,
                user_id=user.context.id or (row.id if row else 0),
                one_time_token_id=evidence.token_id if evidence.is_one_time else None,
                max_age=self._session_max_age,
                now=call.now,
            )
        if row is not None:
            user = self._keep(row, evidence, call)
        session = remembered_session(opened)
        self._sessions.put((evidence.digest, call.link.id), session, epoch=call.epoch)
        return user, session

    def find_by_session(self, digest: str, call: HookCall) -> KnownUser | None:
        """Whom a session proves when the token cannot any more: its issuer's key was replaced."""
        with self._db.read() as session:
            rows = token_store.list_sessions(session, digest)
            here = [row for row in rows if row.link_id == call.link.id]
            opened = next(iter([*here, *rows]), None)
            row = None if opened is None else user_store.find_by_id(session, opened.user_id)
        if row is None:
            return None
        return known_user(
            row,
            issuer=call.household.issuer(row.issuer_id),
            subject=row.subject,
            uid=row.uid,
            household=call.household,
        )

    def _ensure(self, session: DbSession, evidence: Evidence, call: Call) -> User:
        issuer = evidence.user_issuer
        place = (issuer.id, evidence.subject)
        if issuer.spec is None or not issuer.spec.creates_users:
            row = user_store.find(session, *place)
            if row is None:
                raise UserUnknown(f"issuer {issuer.name!r} does not introduce new users")
            return row
        return users.ensure(
            session,
            issuer_id=issuer.id,
            subject=evidence.subject,
            uid=evidence.uid,
            profile=evidence.profile,
            plan_id=call.household.plan_id(evidence.plan_name),
            now=call.now,
        )

    def _with_new_claims(self, row: User, evidence: Evidence) -> User:
        if not users.refresh(row, evidence.profile):  # detached: nothing is written yet
            return row
        with self._db.begin() as session:
            kept = user_store.find_by_id(session, row.id)
            if kept is not None:
                users.refresh(kept, evidence.profile)
        return kept or row

    def _keep(self, row: User | None, evidence: Evidence, call: Call) -> KnownUser:
        known = self._known(row, evidence, call)
        place = (evidence.user_issuer.id, evidence.subject)
        self._shelf(evidence).put(place, known, epoch=call.epoch)
        return known

    @staticmethod
    def _known(row: User | None, evidence: Evidence, call: Call) -> KnownUser:
        return known_user(
            row,
            issuer=evidence.user_issuer,
            subject=evidence.subject,
            uid=evidence.uid,
            household=call.household,
        )

    def _shelf(self, evidence: Evidence) -> Shelf[tuple[int, str], KnownUser]:
        return self._guests if evidence.is_self_proving else self._users
