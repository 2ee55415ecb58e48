"""A user's sessions and minted tokens, what they asked, what was changed; their erasure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Reason
from app.admin.paging import Page, PageQuery
from app.audit import store as audit_store
from app.metering import store as metering_store
from app.metering.models import UsageEvent
from app.money import from_nano
from app.people import erasure, personal_data
from app.statements.store import load_link_names
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.models import Token, VisitorSession
from app.users import store as user_store

NO_USER_TOKEN = "the user has no such token"  # noqa: S105 - a sentence


class SessionOut(BaseModel):
    """A link that was opened with a token; it carries the visitor on past the token's expiry."""

    id: int
    link_id: int
    link: str
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    is_open: bool


class SessionPage(Page[SessionOut]):
    """Sessions, newest first."""


class TokenOut(BaseModel):
    """A token minted here; the token itself is nowhere."""

    id: int
    link_id: int | None = Field(description="The only link it opens; null: any.")
    link: str | None
    is_one_time: bool
    label: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    is_usable: bool


class TokenPage(Page[TokenOut]):
    """Minted tokens, newest first."""


class AnswerOut(BaseModel):
    """What one answer used and cost."""

    reference: str
    received_at: datetime
    link_id: int
    link: str
    app_name: str | None
    points: Amount
    charge: Amount


class AnswerPage(Page[AnswerOut]):
    """Answers, newest first."""


class ChangeOut(BaseModel):
    """One entry of the audit journal about the user or their wallet."""

    at: datetime
    actor: str
    action: str
    reason: str | None


class ErasureBody(BaseModel):
    """The user's subject once more, to be sure, and why."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, Field(min_length=1, max_length=2000)]
    reason: Reason = Field(description="Why. It stays for ever: write no name into it.")


class ErasedOut(BaseModel):
    """What became of the user."""

    id: int
    uid: str = Field(description="Their chats in FastGPT are under it: delete them there.")
    subject: str = Field(description="The pseudonym.")
    sessions: int = Field(description="So many were deleted; likewise tokens.")
    tokens: int
    pseudonymised: dict[str, int] = Field(
        description="Rows of each kind that name the person no more."
    )


class PersonalDataOut(BaseModel):
    """Everything the service keeps about one person; lists are newest first."""

    written_at: datetime
    profile: dict[str, Any]
    wallet: dict[str, Any] | None
    transactions: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    tokens: list[dict[str, Any]]
    unfinished_questions: list[dict[str, Any]]
    refusals: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    changes: list[dict[str, Any]]


def sessions(desk: Desk, user_id: int, query: PageQuery) -> SessionPage:
    before = _place(query)
    with desk.db.read() as session:
        user_store.get(session, user_id)
        rows = token_store.list_user_sessions(
            session, user_id, before_id=before, limit=query.limit + 1
        )
        links = load_link_names(session, {row.link_id for row in rows})

    def shown(row: VisitorSession) -> SessionOut:
        return SessionOut(
            id=row.id,
            link_id=row.link_id,
            link=links.get(row.link_id, ""),
            opened_at=row.opened_at,
            expires_at=row.expires_at,
            ended_at=row.ended_at,
            is_open=row.ended_at is None and row.expires_at > desk.now,
        )

    page = paging.page(rows, query.limit, shown=shown, at=lambda row: paging.cursor(row.id))
    return SessionPage(items=page.items, next=page.next)


def end_session(desk: Desk, user_id: int, session_id: int) -> None:
    with desk.change() as session:
        user_store.get(session, user_id)
        paging.check_number(session_id, "session_not_found")
        opened = token_store.get_user_session(session, user_id, session_id)
        token_commands.end_session(session, opened, actor=desk.actor, now=desk.now)


def tokens(desk: Desk, user_id: int, query: PageQuery) -> TokenPage:
    before = _place(query)
    with desk.db.read() as session:
        user_store.get(session, user_id)
        rows = token_store.list_tokens(
            session, user_id=user_id, before_id=before, limit=query.limit + 1
        )
        links = load_link_names(session, {row.link_id for row in rows if row.link_id})

    def shown(row: Token) -> TokenOut:
        is_alive = row.expires_at is None or row.expires_at > desk.now
        return TokenOut(
            id=row.id,
            link_id=row.link_id,
            link=links.get(row.link_id or 0),
            is_one_time=row.is_one_time,
            label=row.label,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            is_usable=row.revoked_at is None and is_alive,
        )

    page = paging.page(rows, query.limit, shown=shown, at=lambda row: paging.cursor(row.id))
    return TokenPage(items=page.items, next=page.next)


def revoke_token(desk: Desk, user_id: int, token_id: int) -> None:
    with desk.change() as session:
        user_store.get(session, user_id)
        paging.check_number(token_id, "token_not_found")
        token = token_store.get_token(session, token_id)
        if token.user_id != user_id:
            raise token_store.TokenNotFound(NO_USER_TOKEN)
        token_commands.revoke(session, token, actor=desk.actor, now=desk.now)


def answers(desk: Desk, user_id: int, query: PageQuery) -> AnswerPage:
    before = _place(query)
    with desk.db.read() as session:
        user_store.get(session, user_id)
        rows = metering_store.list_events(session, user_id, limit=query.limit + 1, before_id=before)
        links = load_link_names(session, {row.link_id for row in rows})
    page = paging.page(
        rows,
        query.limit,
        shown=lambda row: _answer(row, links),
        at=lambda row: paging.cursor(row.id),
    )
    return AnswerPage(items=page.items, next=page.next)


def changes(desk: Desk, user_id: int, limit: int) -> list[ChangeOut]:
    """The newest."""
    about = [("user", str(user_id)), ("wallet", str(user_id))]
    with desk.db.read() as session:
        rows = audit_store.list_about(session, about, limit=limit)
    return [
        ChangeOut(at=row.at, actor=row.actor, action=row.action, reason=row.reason) for row in rows
    ]


def erase(desk: Desk, user_id: int, body: ErasureBody) -> ErasedOut:
    with desk.change() as session:
        erased = erasure.erase(
            session,
            user_store.get(session, user_id),
            typed=body.subject,
            gate=desk.gate,
            actor=desk.actor,
            now=desk.now,
            reason=body.reason,
        )
        return ErasedOut(
            id=erased.user.id,
            uid=erased.user.uid,
            subject=erased.user.subject,
            sessions=erased.sessions,
            tokens=erased.tokens,
            pseudonymised=dict(erased.pseudonymised),
        )


def written_data(desk: Desk, user_id: int) -> Iterator[str]:
    """The JSON of ``PersonalDataOut``, in pieces."""
    return personal_data.document(desk.db, user_id, now=desk.now)


def last_link_id(session: Session, user_id: int) -> int | None:
    """The link they asked on last."""
    newest = metering_store.list_events(session, user_id, limit=1)
    return newest[0].link_id if newest else None


def _answer(row: UsageEvent, links: Mapping[int, str]) -> AnswerOut:
    return AnswerOut(
        reference=row.reference,
        received_at=row.received_at,
        link_id=row.link_id,
        link=links.get(row.link_id, ""),
        app_name=row.app_name,
        points=from_nano(row.points),
        charge=from_nano(row.charge),
    )


def _place(query: PageQuery) -> int | None:
    place = paging.position(query.cursor, int)
    return None if place is None else int(place[0])
