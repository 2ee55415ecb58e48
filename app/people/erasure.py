"""Erase what is known of a person, and keep the books whole.

Users, tokens and what was seen of them know nothing of each other; here all happens in one
transaction. ``personal_columns`` lists what is done with each column that can tell of a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.admission.gate import Gate
from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict, Invalid
from app.people import store
from app.people.words import replacing
from app.tokens import store as token_store
from app.users import commands
from app.users.models import User

ACTION = "users.forget"
"""The audit's entry that says how many rows went or were changed."""


class QuestionsOpen(Conflict):
    """Their answers are still on the way, and with them what they have to be billed by."""

    code = "questions_open"


class SubjectDiffers(Invalid):
    """What was typed to be sure is not the user's subject."""

    code = "subject_differs"


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, besides name, locale, attributes and subject.

    ``pseudonymised`` are rows of each table in which the pseudonym stands now.
    """

    user: User
    sessions: int
    tokens: int
    pseudonymised: Mapping[str, int]


def erase(
    session: Session,
    user: User,
    *,
    typed: str,
    gate: Gate,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
) -> Erased:
    """Replace the subject by a pseudonym, drop the profile, delete sessions and minted tokens.

    Wallet, transactions and usage stay under the user's number and uid. Tokens the issuer gave
    them before are refused from now on. Where they are named beside the books (refusals, alerts
    and their messages, jobs that are over, saved views, reports that are sent) the pseudonym stands
    or nothing. What they were when they asked, such as their department, goes where nobody else was
    that who is still known. It cannot be undone.

    Raises:
        SubjectDiffers: ``typed`` is not the user's subject.
        UserErased: it was done before.
        QuestionsOpen: the gate knows of questions whose answer has not come.
    """
    if user.erased_at is None and typed != user.subject:
        raise SubjectDiffers("type the subject of the user to go on")
    held = gate.snapshot(user.id, 0)
    if held is not None and held.visitor_open:
        raise QuestionsOpen(
            f"{held.visitor_open} questions of user {user.id} wait for their answer: suspend the "
            "user, and erase when they are through"
        )
    words = {word for word in (user.subject, user.name) if word}
    commands.erase(session, user, actor=actor, now=now, reason=reason)
    sessions, tokens = token_store.delete_of_user(session, user.id)
    replace = replacing(words, user.subject)
    pseudonymised = {
        "refusals": store.forget_in_refusals(session, user.id, user.uid),
        "alerts": store.forget_in_alerts(session, user.id, user.subject, replace),
        "jobs": store.forget_in_jobs(session, replace),
        "saved_views": store.forget_in_views(session, replace),
        "deliveries": store.forget_in_deliveries(session, words, replace),
        "schedules": store.forget_in_schedules(session, replace),
        "statement_mails": store.forget_in_mails(session, user.id),
        "usage_segments": store.forget_in_segments(session, user.id),
    }
    removed = {"sessions": sessions, "tokens": tokens, **pseudonymised}
    journal.record(
        session,
        actor=actor,
        action=ACTION,
        subject=("user", user.id),
        now=now,
        change=(None, removed),
        reason=reason,
    )
    return Erased(user, sessions, tokens, pseudonymised)
