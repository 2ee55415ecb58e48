"""Users, as the API and the pages show and change them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging, versions
from app.admin.desk import Desk
from app.admin.inputs import Amount, Reason, Text
from app.admin.paging import Page, PageQuery
from app.config import Locale
from app.ledger.browsing import store as browsing
from app.limits import VisitorLimits
from app.money import from_nano
from app.people.plans import Plans
from app.plans import store as plan_store
from app.tokens import issuers
from app.tokens import store as token_store
from app.tokens.issuers import LOCAL
from app.users import commands, store
from app.users.commands import Name, UserChange, UserSpec
from app.users.models import User
from app.users.store import ListedUser, Order, Wanted

Status = Literal["active", "suspended", "erased"]
PlanName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00]*$")]


class UserOut(BaseModel):
    """One visitor: a subject of one issuer."""

    id: int
    uid: str = Field(description="What FastGPT knows them by.")
    subject: str = Field(description="As the issuer names them.")
    issuer: str
    name: str | None
    locale: str | None
    status: Status
    plan: str = Field(description="Their own, else the issuer's, else `default`.")
    has_own_plan: bool
    limits: VisitorLimits = Field(description="Their own, before those of link and plan.")
    attributes: dict[str, Any] = Field(description="What the issuer says of them.")
    tokens_valid_after: datetime | None = Field(
        description="Tokens issued and sessions opened before are refused."
    )
    created_at: datetime
    erased_at: datetime | None


class ListedUserOut(UserOut):
    """A user in a list."""

    balance: Amount | None = Field(description="Null for who may not see wallets.")


class UserPage(Page[ListedUserOut]):
    """Users, newest first unless another order is asked for."""


class UserQuery(PageQuery):
    q: Text | None = Field(
        default=None, description="Part of subject or name, or the beginning of the uid."
    )
    subject: Annotated[str, Field(min_length=1, max_length=300)] | None = Field(
        default=None, description="The subject exactly, as the issuer writes it."
    )
    issuer: Text | None = None
    status: Status | None = None
    plan: PlanName | None = Field(default=None, description="Also by default of their issuer.")
    sort: Order = Field(
        default="newest",
        description="`newest` or `oldest` first, by `name` (the subject where there is none), or "
        "by balance, `lowest` or `highest` first, for who may see wallets.",
    )


class NewUser(BaseModel):
    """A user made before the visitor was ever seen."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[str, Field(min_length=1, max_length=2000)]
    issuer: Text = LOCAL
    name: Name | None = None
    locale: Locale | None = None
    plan: PlanName | None = None
    limits: VisitorLimits = VisitorLimits()


class ChangedUser(BaseModel):
    """What to change; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    locale: Locale | None = None
    plan: PlanName | None = Field(default=None, description="Null: the issuer's.")
    limits: VisitorLimits | None = Field(default=None, description="Replaces all of their own.")


class WithReason(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


def index(desk: Desk, query: UserQuery) -> UserPage:
    if query.sort in ("lowest", "highest"):
        desk.check_permissions("wallets:read")
    place = paging.position(query.cursor, int, int)
    with desk.db.read() as session:
        plans = load_plans(desk, session)
        rows = store.search(
            session,
            _wanted(session, plans, query),
            order=query.sort,
            after=None if place is None else (int(place[0]), int(place[1])),
            limit=query.limit + 1,
        )
        wallets = {}
        if desk.may("wallets:read"):
            wallets = browsing.load_wallets(session, [row.user.id for row in rows])

    def balance(row: ListedUser) -> int:
        wallet = wallets.get(row.user.id)
        return wallet.balance if wallet else 0

    def shown(row: ListedUser) -> ListedUserOut:
        seen = from_nano(balance(row)) if desk.may("wallets:read") else None
        return ListedUserOut(**_described(row.user, plans), balance=seen)

    def at(row: ListedUser) -> str:
        return paging.cursor(balance(row), row.user.id)

    page = paging.page(rows, query.limit, shown=shown, at=at)
    return UserPage(items=page.items, next=page.next)


def show(desk: Desk, user_id: int) -> UserOut:
    with desk.db.read() as session:
        return _shown(desk, session, store.get(session, user_id))


def create(desk: Desk, new: NewUser) -> UserOut:
    with desk.change() as session:
        issuer = token_store.get_issuer(session, new.issuer)
        spec = UserSpec(
            issuer_id=issuer.id,
            subject=new.subject,
            name=new.name,
            locale=new.locale,
            plan_id=_plan_id(session, new.plan),
            limits=new.limits,
        )
        uid = desk.keys.uid(issuer.name, new.subject)
        user = commands.create(session, spec, uid=uid, actor=desk.actor, now=desk.now)
        return _shown(desk, session, user)


def update(desk: Desk, user_id: int, changed: ChangedUser) -> UserOut:
    with desk.change() as session:
        user = store.get(session, user_id)
        versions.check(commands.describe(user))
        values: dict[str, Any] = {
            name: getattr(changed, name)
            for name in changed.model_fields_set & {"name", "locale", "limits"}
        }
        if "plan" in changed.model_fields_set:
            values["plan_id"] = _plan_id(session, changed.plan)
        change = UserChange.model_validate(values)
        commands.update(session, user, change, actor=desk.actor, now=desk.now)
        return _shown(desk, session, user)


def set_suspended(desk: Desk, user_id: int, reason: str, *, suspended: bool) -> UserOut:
    with desk.change() as session:
        user = store.get(session, user_id)
        commands.set_suspended(
            session, user, suspended=suspended, actor=desk.actor, now=desk.now, reason=reason
        )
        return _shown(desk, session, user)


def revoke_access(desk: Desk, user_id: int, reason: str) -> UserOut:
    """End every session and refuse every token issued until now."""
    with desk.change() as session:
        user = store.get(session, user_id)
        commands.revoke_tokens(session, user, actor=desk.actor, now=desk.now, reason=reason)
        return _shown(desk, session, user)


def choices(desk: Desk) -> tuple[list[str], list[str]]:
    """The names of all issuers, and of all plans."""
    with desk.db.read() as session:
        plans = load_plans(desk, session)
        return sorted(row.name for row in plans.issuers.values()), sorted(plans.by_name)


def load_plans(desk: Desk, session: Session) -> Plans:
    return Plans.load(session, issuers.parse_configured(desk.settings.issuers))


def _wanted(session: Session, plans: Plans, query: UserQuery) -> Wanted:
    plan = None
    if query.plan is not None:
        row = plan_store.get_by_name(session, query.plan)
        plan = (row.id, plans.issuers_giving(row))
    return Wanted(
        text=query.q,
        subject=query.subject,
        issuer=query.issuer,
        status=query.status,
        plan=plan,
    )


def _plan_id(session: Session, name: str | None) -> int | None:
    return None if name is None else plan_store.get_by_name(session, name).id


def _shown(desk: Desk, session: Session, user: User) -> UserOut:
    session.flush()
    versions.show(commands.describe(user))
    return UserOut(**_described(user, load_plans(desk, session)))


def _described(user: User, plans: Plans) -> dict[str, Any]:
    return {
        "id": user.id,
        "uid": user.uid,
        "subject": user.subject,
        "issuer": plans.issuers[user.issuer_id].name,
        "name": user.name,
        "locale": user.locale,
        "status": "erased" if user.erased_at else user.status,
        "plan": plans.of(user).name,
        "has_own_plan": user.plan_id is not None,
        "limits": VisitorLimits.model_validate(user.limits),
        "attributes": user.attributes,
        "tokens_valid_after": user.tokens_valid_after,
        "created_at": user.created_at,
        "erased_at": user.erased_at,
    }
