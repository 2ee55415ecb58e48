"""Operators, as the API and the pages show and change them."""

from datetime import datetime
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging, versions
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.errors import Invalid
from app.links import store as link_store
from app.operators import commands, store
from app.operators.commands import OperatorChange, OperatorSpec
from app.operators.models import Operator, OperatorSession, described
from app.operators.roles import LINK_SCOPED, PERMISSIONS, ROLES, Role

Status = Literal["active", "disabled"]


class OperatorOut(BaseModel):
    """Who may use the console, and what they may do."""

    id: int
    name: str
    display_name: str | None
    email: str | None
    role: str
    status: str
    locale: str | None
    link_ids: list[int] | None = Field(description="The only links they may see; null: all.")
    links: list[str] | None = Field(description="The names of those links.")
    has_password: bool
    must_change_password: bool
    has_second_factor: bool
    oidc_issuer: str | None = Field(description="The provider they sign in through, if any.")
    created_at: datetime
    last_login_at: datetime | None

    @classmethod
    def of(cls, operator: Operator, link_names: dict[int, str]) -> Self:
        said = {k: v for k, v in described(operator).items() if k in cls.model_fields}
        ids = operator.link_ids
        return cls(
            id=operator.id,
            links=None if ids is None else [link_names.get(one, f"#{one}") for one in ids],
            created_at=operator.created_at,
            last_login_at=operator.last_login_at,
            **said,
        )


class NewOperator(OperatorOut):
    """An operator who was just added."""

    password: str = Field(description="Shown this once; it is changed at the first sign-in.")


class NewPassword(BaseModel):
    """A password that was just made."""

    name: str
    password: str = Field(description="Shown this once; it is changed at the next sign-in.")


class OperatorPage(Page[OperatorOut]):
    """Operators."""


class OperatorQuery(PageQuery):
    """Which operators."""

    role: Role | None = None
    status: Status | None = None


class Reason(BaseModel):
    """Why, for the audit journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str, Field(max_length=500)] | None = None


class NeededReason(BaseModel):
    """Why, for the audit journal: it takes a protection away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class SessionOut(BaseModel):
    """A browser in which an operator is signed in."""

    id: int
    operator: str
    method: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None
    is_present: bool = Field(description="Whether it is the one that asks.")


class SessionPage(Page[SessionOut]):
    """Sessions."""


class SessionQuery(PageQuery):
    """Whose sessions."""

    operator: Annotated[str, Field(max_length=80)] | None = None


class PermissionOut(BaseModel):
    """What a permission lets one do, and who has it."""

    name: str
    description: str
    roles: list[str]
    is_left_to_link_operators: bool = Field(
        description="Whether it also holds for operators who may see certain links only."
    )


class RolesOut(BaseModel):
    """Every role and permission."""

    roles: list[str]
    permissions: list[PermissionOut]


class MeOut(BaseModel):
    """Who asks, and what they may do."""

    name: str
    role: str
    permissions: list[str]
    link_ids: list[int] | None
    by_token: bool


def index(desk: Desk, query: OperatorQuery) -> OperatorPage:
    position = paging.position(query.cursor, str)
    after = cast("str", position[0]) if position else None
    with desk.db.read() as session:
        rows = store.list_page(
            session, after=after, limit=query.limit + 1, role=query.role, status=query.status
        )
        names = link_names(session)
        page = paging.page(
            rows,
            query.limit,
            shown=lambda row: OperatorOut.of(row, names),
            at=lambda row: paging.cursor(row.name),
        )
        return OperatorPage(items=page.items, next=page.next)


def show(desk: Desk, name: str) -> OperatorOut:
    with desk.db.read() as session:
        return _shown(session, store.get_by_name(session, name))


def create(desk: Desk, spec: OperatorSpec) -> NewOperator:
    with desk.db.begin() as session:
        _check_links(session, spec.link_ids)
        made = commands.create(session, spec, actor=desk.actor, now=desk.now)
        shown = _shown(session, made.operator)
        return NewOperator(**shown.model_dump(), password=made.password)


def update(desk: Desk, name: str, change: OperatorChange) -> OperatorOut:
    with desk.db.begin() as session:
        operator = _locked(session, name)
        versions.check(described(operator))
        _check_links(session, change.link_ids)
        commands.update(session, operator, change, actor=desk.actor, now=desk.now)
        return _shown(session, operator)


def set_enabled(desk: Desk, name: str, reason: str | None, *, enabled: bool) -> OperatorOut:
    """Disable, which ends their sessions and stops their tokens, or enable again."""
    with desk.db.begin() as session:
        operator = _locked(session, name)
        commands.set_enabled(
            session, operator, enabled=enabled, actor=desk.actor, now=desk.now, reason=reason
        )
        return _shown(session, operator)


def reset_password(desk: Desk, name: str) -> NewPassword:
    with desk.db.begin() as session:
        made = commands.reset_password(
            session, _locked(session, name), actor=desk.actor, now=desk.now
        )
        return NewPassword(name=made.operator.name, password=made.password)


def remove_second_factor(desk: Desk, name: str, reason: str) -> OperatorOut:
    with desk.db.begin() as session:
        operator = _locked(session, name)
        commands.remove_second_factor(
            session, operator, actor=desk.actor, now=desk.now, reason=reason
        )
        return _shown(session, operator)


def sessions(desk: Desk, query: SessionQuery) -> SessionPage:
    position = paging.position(query.cursor, int)
    before = cast("int", position[0]) if position else None
    with desk.db.read() as session:
        whose = store.get_by_name(session, query.operator) if query.operator else None
        rows = store.list_sessions_page(
            session,
            before=before,
            limit=query.limit + 1,
            operator_id=whose.id if whose else None,
            now=desk.now,
        )
        names = store.names(session, {row.operator_id for row in rows})
        page = paging.page(
            rows,
            query.limit,
            shown=lambda row: _session_out(desk, row, names),
            at=lambda row: paging.cursor(row.id),
        )
        return SessionPage(items=page.items, next=page.next)


def end_session(desk: Desk, session_id: int) -> None:
    with desk.db.begin() as session:
        row = store.get_session(session, session_id)
        commands.end_sessions(
            session,
            store.get(session, row.operator_id),
            session_ids=[row.id],
            actor=desk.actor,
            now=desk.now,
        )


def roles() -> RolesOut:
    return RolesOut(
        roles=list(ROLES),
        permissions=[
            PermissionOut(
                name=name,
                description=description,
                roles=[role for role, held in ROLES.items() if name in held],
                is_left_to_link_operators=name in LINK_SCOPED,
            )
            for name, description in PERMISSIONS.items()
        ],
    )


def me(desk: Desk) -> MeOut:
    caller = desk.caller
    return MeOut(
        name=caller.name,
        role=caller.role,
        permissions=sorted(caller.permissions),
        link_ids=None if caller.link_ids is None else sorted(caller.link_ids),
        by_token=caller.token_id is not None,
    )


def choices(desk: Desk) -> list[tuple[int, str]]:
    """Every link as ``(id, name)``, by name."""
    with desk.db.read() as session:
        return link_store.list_names(session)


def link_names(session: Session) -> dict[int, str]:
    """The names of all links, by id."""
    return dict(link_store.list_names(session))


def _check_links(session: Session, link_ids: tuple[int, ...] | None) -> None:
    unknown = sorted(set(link_ids or ()) - set(link_names(session)))
    if unknown:
        raise Invalid(
            f"there is no link {', '.join(map(str, unknown))}", code="operator_links_unknown"
        )


def _locked(session: Session, name: str) -> Operator:
    return store.lock(session, store.get_by_name(session, name).id)


def _shown(session: Session, operator: Operator) -> OperatorOut:
    session.flush()
    versions.show(described(operator))
    return OperatorOut.of(operator, link_names(session))


def _session_out(desk: Desk, row: OperatorSession, names: dict[int, str]) -> SessionOut:
    return SessionOut(
        id=row.id,
        operator=names[row.operator_id],
        method=row.method,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
        is_present=row.id == desk.caller.session_id,
    )
