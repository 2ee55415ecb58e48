"""Visitors' tokens: why one is taken or not, making them, taking them back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.access import NotAllowed
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.admin.resources import links
from app.admin.texts import check_storable
from app.errors import Conflict, NotFound
from app.links import store as link_store
from app.links.models import Link
from app.plans import store as plan_store
from app.tokens import commands, store
from app.tokens.issuers import LOCAL, parse_configured
from app.tokens.models import Token
from app.turns import visitor_urls
from app.turns.token_check import Examiner, Step, Verdict
from app.turns.visitor_urls import UrlSpec, VisitorUrl
from app.users import store as user_store
from app.users.models import User

TOKEN_CHARS_MIN = 20
"""Shorter texts are typing mistakes: nothing so short is a token of anybody."""
TOKEN_CHARS_MAX = 65536
TRIAL_LASTS_S = 600

TokenText = Annotated[str, Field(min_length=1, max_length=TOKEN_CHARS_MAX)]
Subject = Annotated[str, Field(min_length=1, max_length=2000)]
IssuerName = Annotated[str, Field(min_length=1, max_length=80)]
LinkId = Annotated[int, Field(ge=1, le=links.ID_MAX)]
Reason = Annotated[str, Field(max_length=500)]


class TokenQuery(PageQuery):
    """Which tokens."""

    subject: Subject | None = None
    """Only those of this user: the subject as the issuer writes it, or the uid."""
    issuer: IssuerName | None = None
    """Whose subject it is; needed where several issuers know the same one."""
    link_id: LinkId | None = None
    """Only those bound to this link."""


class TokenOut(BaseModel):
    """A token that was minted here. The token itself is not kept."""

    id: int
    user_id: int
    subject: str
    uid: str
    link_id: int | None = Field(description="The only link it opens; null: any.")
    link: str | None
    status: Literal["active", "expired", "revoked"]
    is_one_time: bool
    label: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class TokenPage(Page[TokenOut]):
    """Minted tokens, the newest first."""


class NewVisitorUrl(UrlSpec):
    """Who shall open which link, and for how long the URL works."""

    link_id: LinkId
    subject: Subject
    """The user as the issuer writes them, or their uid."""
    issuer: IssuerName = LOCAL
    create_user: bool = False
    """Make the user at first use: of issuer `local` only; needs `users:write` too."""
    name: Annotated[str, Field(max_length=200)] | None = None
    """Of a user that is made; users who are there keep theirs."""
    plan: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """Likewise: the name of their plan."""


class VisitorUrlOut(TokenOut):
    """Shown this once: whoever has the URL is that visitor."""

    token: str
    visitor_url: str
    has_share_url: bool = Field(
        description="False: the link has no share URL yet, so the URL begins with a placeholder."
    )


class TokenToCheck(BaseModel):
    """A token, and the link it shall open. It is neither stored nor logged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    link_id: LinkId
    token: TokenText


class StepOut(BaseModel):
    """One rule, in the order in which the hooks ask them."""

    step: str
    outcome: Literal["passed", "failed", "skipped"]
    said: str
    code: str | None

    @classmethod
    def of(cls, step: Step) -> Self:
        return cls(step=step.name, outcome=step.outcome, said=step.said, code=step.code)


class VerdictOut(BaseModel):
    """What would happen if the link were opened with the token now. Nothing was written."""

    link_id: int
    link: str
    token_start: str = Field(description="Its first characters, to know it by.")
    accepted: bool
    code: str = Field(description="`ok`, or the code of the first refusal.")
    reason: str
    issuer: str | None
    subject: str | None
    uid: str | None
    is_known_user: bool
    issued_at: datetime | None
    expires_at: datetime | None
    session_until: datetime | None
    steps: list[StepOut]


class Revocation(BaseModel):
    """Why a token is taken back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason | None = None


class TokenToRevoke(Revocation):
    """A token as text: one of ours, or one that another issuer signed."""

    token: Annotated[str, Field(min_length=TOKEN_CHARS_MIN, max_length=TOKEN_CHARS_MAX)]


class RevokedOut(BaseModel):
    """`minted`: it was one of ours; `foreign`: its signed part is refused from now on."""

    revoked: Literal["minted", "foreign"]


def check(desk: Desk, wanted: TokenToCheck) -> VerdictOut:
    """Why the link would take the token, or not."""
    token = wanted.token.strip()
    check_storable(token)
    with desk.db.read() as session:
        link = links.find(session, desk, wanted.link_id)
        session.expunge(link)
    examiner = Examiner(
        db=desk.db,
        keys=desk.keys,
        configured=parse_configured(desk.settings.issuers),
        allow_private_jwks=desk.settings.identity.allow_private_jwks,
    )
    return _verdict(link, token, examiner.examine(link, token, desk.now))


def mint(desk: Desk, wanted: NewVisitorUrl) -> VisitorUrlOut:
    """A token and its URL.

    Raises:
        NotFound: no such link, user or plan.
        NotAllowed: the user would have to be made, and they may not make any.
    """
    for text in (wanted.subject, wanted.issuer, wanted.name, wanted.plan, wanted.label):
        check_storable(text)
    if wanted.is_for_any_link:
        desk.check_whole_house()
    with desk.change() as session:
        link = links.find(session, desk, wanted.link_id)
        user = _visitor(session, desk, wanted)
        spec = UrlSpec.model_validate(wanted.model_dump(include=set(UrlSpec.model_fields)))
        return _mint(session, desk, link, user, spec)


def mint_trial(desk: Desk, link_id: int) -> VisitorUrlOut:
    """A short-lived URL of the visitor that links are tried as: what they ask costs nothing.

    Raises:
        Conflict: the link takes no tokens that are minted here (``link_takes_others``).
    """
    with desk.change() as session:
        link = links.find(session, desk, link_id)
        if not visitor_urls.takes_our_tokens(link):
            raise Conflict(
                "this link takes no tokens that are minted here: open it as one of your visitors",
                code="link_takes_others",
            )
        user = visitor_urls.ensure_tester(session, keys=desk.keys, actor=desk.actor, now=desk.now)
        spec = UrlSpec(ttl_s=TRIAL_LASTS_S, is_one_time=True, label="trial")
        return _mint(session, desk, link, user, spec)


def index(desk: Desk, query: TokenQuery) -> TokenPage:
    before = paging.position(query.cursor, int)
    for text in (query.subject, query.issuer):
        check_storable(text)
    if query.link_id is not None:
        desk.check_link(query.link_id)
    with desk.db.read() as session:
        user_id = None
        if query.subject is not None:
            user_id = _user(session, query.subject, query.issuer).id
        rows = store.list_tokens(
            session,
            user_id=user_id,
            link_id=query.link_id,
            link_ids=desk.caller.link_ids,
            before_id=None if before is None else int(before[0]),
            limit=query.limit + 1,
        )
        shown = {one.id: one for one in _shown(session, desk, rows)}
    page = paging.page(
        rows,
        query.limit,
        shown=lambda row: shown[row.id],
        at=lambda row: paging.cursor(row.id),
    )
    return TokenPage(items=page.items, next=page.next)


def revoke(desk: Desk, token_id: int, reason: str | None) -> TokenOut:
    """Take a minted token back and end its sessions. Raises: NotFound."""
    check_storable(reason)
    with desk.change() as session:
        token = store.get_token(session, token_id) if token_id <= links.ID_MAX else None
        if token is None or not desk.sees_link(token.link_id):
            raise store.TokenNotFound("there is no such token")
        commands.revoke(session, token, actor=desk.actor, now=desk.now, reason=reason)
        return _shown(session, desk, [token])[0]


def revoke_text(desk: Desk, wanted: TokenToRevoke) -> RevokedOut:
    """Take a token back, also one of another issuer.

    Raises:
        WholeHouseOnly: for operators of certain links: a text does not say which it opens.
    """
    desk.check_whole_house()
    token = wanted.token.strip()
    check_storable([token, wanted.reason or ""])
    with desk.change() as session:
        kind = commands.revoke_text(
            session,
            token,
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
            reason=wanted.reason,
        )
    return RevokedOut(revoked=kind)


def _visitor(session: Session, desk: Desk, wanted: NewVisitorUrl) -> User:
    try:
        return _user(session, wanted.subject, wanted.issuer)
    except NotFound:
        if not wanted.create_user or wanted.issuer != LOCAL:
            raise
    if not desk.may("users:write"):
        raise NotAllowed("this user would be new, and that needs the permission users:write")
    plan_id = None
    if wanted.plan is not None:
        plan_id = plan_store.get_by_name(session, wanted.plan).id
    return visitor_urls.add_local(
        session,
        wanted.subject,
        name=wanted.name,
        plan_id=plan_id,
        keys=desk.keys,
        actor=desk.actor,
        now=desk.now,
    )


def _user(session: Session, subject: str, issuer: str | None) -> User:
    try:
        return user_store.get_by_subject(session, subject, issuer_name=issuer)
    except user_store.UserNotFound:
        raise user_store.UserNotFound("no user has this subject") from None


def _mint(session: Session, desk: Desk, link: Link, user: User, spec: UrlSpec) -> VisitorUrlOut:
    made: VisitorUrl = visitor_urls.mint(
        session, link, user, spec, keys=desk.keys, actor=desk.actor, now=desk.now
    )
    return VisitorUrlOut(
        **dict(_shown(session, desk, [made.token])[0]),
        token=made.text,
        visitor_url=made.url,
        has_share_url=link.share_url is not None,
    )


def _shown(session: Session, desk: Desk, rows: Sequence[Token]) -> list[TokenOut]:
    session.flush()
    users = user_store.load_by_ids(session, {row.user_id for row in rows})
    names = link_store.names(session, {row.link_id for row in rows if row.link_id is not None})
    return [_token(row, users[row.user_id], names.get(row.link_id or 0), desk.now) for row in rows]


def _token(row: Token, user: User, link: str | None, now: datetime) -> TokenOut:
    return TokenOut(
        id=row.id,
        user_id=row.user_id,
        subject=user.subject,
        uid=user.uid,
        link_id=row.link_id,
        link=link,
        status=_status(row, now),
        is_one_time=row.is_one_time,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _status(row: Token, now: datetime) -> Literal["active", "expired", "revoked"]:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


def _verdict(link: Link, token: str, verdict: Verdict) -> VerdictOut:
    evidence, user = verdict.evidence, verdict.user
    return VerdictOut(
        link_id=link.id,
        link=link.name,
        token_start=token[: min(8, len(token) // 3)],
        accepted=verdict.refusal is None,
        code="ok" if verdict.refusal is None else verdict.refusal.code,
        reason=verdict.reason,
        issuer=evidence.issuer.name if evidence else None,
        subject=evidence.subject if evidence else None,
        uid=evidence.uid if evidence else None,
        is_known_user=user is not None and user.id is not None,
        issued_at=evidence.issued_at if evidence else None,
        expires_at=evidence.expires_at if evidence else None,
        session_until=verdict.session_until,
        steps=[StepOut.of(step) for step in verdict.steps],
    )
