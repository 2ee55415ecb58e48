"""API tokens, as the API and the pages show and change them: one's own, or everybody's."""

from datetime import datetime
from typing import Annotated, Self, cast

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.admin.resources.operators import link_names
from app.errors import Invalid, NotFound
from app.operators import api_tokens, store
from app.operators.api_tokens import ApiTokenSpec, Rights
from app.operators.models import ApiToken

OWN_SHOWN = 20


class ApiTokenOut(BaseModel):
    """What a program signs in with; not the token itself."""

    id: int
    start: str = Field(description="The first characters of the token, to tell tokens apart.")
    name: str
    operator: str = Field(description="Whose it is: it never has more rights than they have.")
    scopes: list[str]
    link_ids: list[int] | None = Field(description="The only links it may see; null: its owner's.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_address: str | None
    revoked_at: datetime | None
    is_usable: bool

    @classmethod
    def of(cls, token: ApiToken, operator: str, now: datetime) -> Self:
        has_expired = token.expires_at is not None and token.expires_at <= now
        return cls(
            id=token.id,
            start=token.start,
            name=token.name,
            operator=operator,
            scopes=token.scopes,
            link_ids=token.link_ids,
            created_at=token.created_at,
            expires_at=token.expires_at,
            last_used_at=token.last_used_at,
            last_used_address=token.last_used_address,
            revoked_at=token.revoked_at,
            is_usable=token.revoked_at is None and not has_expired,
        )


class NewApiToken(ApiTokenOut):
    """A token that was just made."""

    token: str = Field(description="Shown this once; only a digest of it is kept.")


class ApiTokenPage(Page[ApiTokenOut]):
    """API tokens."""


class ApiTokenQuery(PageQuery):
    """Whose tokens: one's own, unless one may see operators."""

    operator: Annotated[str, Field(max_length=80)] | None = None


def index(desk: Desk, query: ApiTokenQuery) -> ApiTokenPage:
    """Everybody's for those who may see operators, else one's own."""
    position = paging.position(query.cursor, int)
    with desk.db.read() as session:
        rows = store.list_tokens_page(
            session,
            before=cast("int", position[0]) if position else None,
            limit=query.limit + 1,
            operator_id=_whose(desk, session, query.operator),
        )
        names = store.names(session, {row.operator_id for row in rows})
        page = paging.page(
            rows,
            query.limit,
            shown=lambda row: ApiTokenOut.of(row, names[row.operator_id], desk.now),
            at=lambda row: paging.cursor(row.id),
        )
        return ApiTokenPage(items=page.items, next=page.next)


def own(desk: Desk) -> list[ApiTokenOut]:
    """The newest of one's own."""
    caller = desk.caller
    with desk.db.read() as session:
        rows = store.list_tokens_page(
            session, before=None, limit=OWN_SHOWN, operator_id=caller.operator_id
        )
        return [ApiTokenOut.of(row, caller.name, desk.now) for row in rows]


def create(desk: Desk, spec: ApiTokenSpec) -> NewApiToken:
    """A token of whoever asks; a program makes none that may more than itself."""
    caller = desk.caller
    with desk.db.begin() as session:
        unknown = set(spec.link_ids or ()) - set(link_names(session))
        if unknown:
            raise Invalid("there is no such link", code="operator_links_unknown")
        made = api_tokens.create(
            session,
            store.get(session, caller.operator_id),
            spec,
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
            within=Rights(caller.permissions, caller.link_ids) if caller.token_id else None,
        )
        shown = ApiTokenOut.of(made.row, caller.name, desk.now)
        return NewApiToken(**shown.model_dump(), token=made.token)


def revoke(desk: Desk, token_id: int, reason: str | None = None) -> None:
    """One's own, or anybody's for those who may change operators. A program only its own."""
    caller = desk.caller
    with desk.db.begin() as session:
        token = store.get_token(session, token_id)
        is_own = (
            token.operator_id == caller.operator_id
            if caller.token_id is None
            else token.id == caller.token_id
        )
        if not is_own and not desk.may("operators:write"):
            raise NotFound(f"there is no API token {token_id}", code="api_token_not_found")
        api_tokens.revoke(session, token, actor=desk.actor, now=desk.now, reason=reason)


def _whose(desk: Desk, session: Session, operator: str | None) -> int | None:
    if not desk.may("operators:read"):
        return desk.caller.operator_id
    return store.get_by_name(session, operator).id if operator else None
