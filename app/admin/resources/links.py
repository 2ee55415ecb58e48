"""Share links, as the API and the pages show and change them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging, versions
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.admin.texts import check_storable
from app.config import Locale
from app.errors import Invalid, NotFound
from app.keys import SealBroken
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links import commands, store
from app.links.addresses import root_url, share_id
from app.links.commands import Counting, LinkChange, LinkSpec
from app.links.models import Link, LinkKey
from app.links.store import LinkNotFound
from app.metering import store as metering_store
from app.plans import store as plan_store
from app.plans.commands import GUEST_PLAN
from app.tokens import store as token_store

ID_MAX = 2**63 - 1
LATELY_DAYS = 7
KEY_END_CHARS = 4
DAY_S = 86400

State = Literal["active", "disabled"]


class LinkQuery(PageQuery):
    """Which links."""

    status: State | None = None
    search: Annotated[str | None, Field(min_length=1, max_length=120)] = None
    """A part of the name."""
    sort: Literal["name", "last_call"] = "name"
    """By name, or those that FastGPT called last first."""


class KeyOut(BaseModel):
    """A key in a root URL; the key itself is shown with the root URL only."""

    end: str | None = Field(description="Its last characters, to tell keys apart.")
    created_at: datetime
    expires_at: datetime | None = Field(description="When it was replaced: it works until then.")


class LinkOut(BaseModel):
    """A share link of FastGPT as this service knows it."""

    id: int
    name: str
    status: State
    share_url: str | None
    share_id: str | None = Field(description="FastGPT's own id of it, out of the share URL.")
    locale: Locale | None
    messages: dict[str, dict[str, str]]
    issuers: list[str] | None
    allows_guests: bool
    guest_plan_id: int | None
    guest_plan: str = Field(description="The name of the plan that guests are under.")
    price_multiplier: Decimal
    limits: LinkLimits
    visitor_limits: VisitorLimits
    guest_limits: GuestLimits
    counting: Counting
    created_at: datetime
    keys: list[KeyOut] = Field(description="Those that work now, the newest first.")
    questions_lately: int = Field(description=f"Answers booked in the last {LATELY_DAYS} days.")


class LinkPage(Page[LinkOut]):
    """Links, by name."""


class CreatedLinkOut(LinkOut):
    """A new link with what is pasted into FastGPT."""

    root_url: str


class RootUrlOut(BaseModel):
    """What is pasted into FastGPT's identity verification. Whoever knows it speaks for FastGPT."""

    root_url: str
    keys: list[KeyOut]


class Rotation(BaseModel):
    """How the old key ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_s: Annotated[int, Field(ge=0, le=366 * DAY_S)] = DAY_S
    """How many seconds the old keys work beside the new one; 0 ends them now."""


class Choices(BaseModel):
    """What a link may name."""

    issuers: list[tuple[str, str]]
    """Name and kind, but for guests."""
    plans: list[tuple[int, str]]


def index(desk: Desk, query: LinkQuery) -> LinkPage:
    check_storable(query.search)
    with desk.db.read() as session:
        rows = _rows(session, desk, query)
        shown = {link.id: one for link, one in zip(rows, _shown(session, desk, rows), strict=True)}
        return LinkPage.model_validate(
            paging.page(
                rows,
                query.limit,
                shown=lambda row: shown[row.id],
                at=lambda row: paging.cursor(row.name if query.sort == "name" else row.id),
            ),
            from_attributes=True,
        )


def _rows(session: Session, desk: Desk, query: LinkQuery) -> Sequence[Link]:
    known: dict[str, Any] = {
        "limit": query.limit + 1,
        "status": query.status,
        "search": query.search,
        "ids": desk.caller.link_ids,
    }
    if query.sort == "name":
        position = paging.position(query.cursor, str)
        after = None if position is None else str(position[0])
        check_storable(after)
        return store.list_page(session, after=after, **known)
    position = paging.position(query.cursor, int)
    after_id = None if position is None else int(position[0])
    return store.list_by_last_call(session, after_id=after_id, **known)


def show(desk: Desk, link_id: int) -> LinkOut:
    with desk.db.read() as session:
        link = find(session, desk, link_id)
        versions.show(commands.describe(link))
        return _one(session, desk, link)


def create(desk: Desk, spec: LinkSpec) -> CreatedLinkOut:
    """Raises: WholeHouseOnly, for operators of certain links."""
    desk.check_whole_house()
    with desk.change() as session:
        _check_references(session, spec)
        made = commands.create(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        versions.show(commands.describe(made.link))
        address = root_url(desk.settings.public_url, made.key)
        shown = _one(session, desk, made.link)
        return CreatedLinkOut(**shown.model_dump(), root_url=address)


def update(desk: Desk, link_id: int, change: LinkChange) -> LinkOut:
    with desk.change() as session:
        link = find(session, desk, link_id)
        versions.check(commands.describe(link))
        _check_references(session, change)
        commands.update(session, link, change, actor=desk.actor, now=desk.now)
        versions.show(commands.describe(link))
        return _one(session, desk, link)


def set_enabled(desk: Desk, link_id: int, *, enabled: bool) -> LinkOut:
    with desk.change() as session:
        link = find(session, desk, link_id)
        commands.set_enabled(session, link, enabled=enabled, actor=desk.actor, now=desk.now)
        versions.show(commands.describe(link))
        return _one(session, desk, link)


def keys(desk: Desk, link_id: int) -> RootUrlOut:
    """The root URL with the newest key.

    Raises:
        NotFound: no key works any more (``link_key_missing``).
    """
    with desk.db.read() as session:
        link = find(session, desk, link_id)
        key = commands.show_key(session, link, keys=desk.keys, now=desk.now)
        return _root_url(session, desk, link, key)


def find_keys(desk: Desk, link_id: int) -> RootUrlOut | None:
    """The same; None when no key works any more, or it cannot be opened."""
    try:
        return keys(desk, link_id)
    except (NotFound, SealBroken):
        return None


def rotate(desk: Desk, link_id: int, rotation: Rotation) -> RootUrlOut:
    with desk.change() as session:
        link = find(session, desk, link_id)
        key = commands.rotate_key(
            session,
            link,
            overlap_s=rotation.overlap_s,
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
        return _root_url(session, desk, link, key)


def choices(desk: Desk) -> Choices:
    """Issuers and plans for the form of a link."""
    with desk.db.read() as session:
        return Choices(
            issuers=[
                (row.name, row.kind)
                for row in token_store.list_issuers(session)
                if row.kind != "guest"
            ],
            plans=[(plan.id, plan.name) for plan in plan_store.list_all(session)],
        )


def find(session: Session, desk: Desk, link_id: int) -> Link:
    """The link, when it is there and theirs to see.

    Raises:
        NotFound: else.
    """
    desk.check_link(link_id)
    link = store.find_by_id(session, link_id) if link_id <= ID_MAX else None
    if link is None:
        raise LinkNotFound("there is no such link")
    return link


def names(session: Session, desk: Desk) -> list[tuple[int, str]]:
    """Every link the operator may see, for a list to choose from."""
    return [
        (link_id, name) for link_id, name in store.list_names(session) if desk.sees_link(link_id)
    ]


def _check_references(session: Session, spec: LinkSpec | LinkChange) -> None:
    """Names and ids that lead nowhere would shut a link without a word."""
    known = {row.name for row in token_store.list_issuers(session)}
    if unknown := sorted(set(spec.issuers or ()) - known):
        check_storable(unknown)
        raise Invalid(f"there is no issuer {', '.join(unknown)}", code="issuer_not_found")
    plans = {plan.id for plan in plan_store.list_all(session)}
    if spec.guest_plan_id is not None and spec.guest_plan_id not in plans:
        raise Invalid("there is no plan of this id", code="plan_not_found")


def _root_url(session: Session, desk: Desk, link: Link, key: str) -> RootUrlOut:
    live = store.list_live_keys(session, link.id, desk.now)
    return RootUrlOut(
        root_url=root_url(desk.settings.public_url, key),
        keys=[_key(desk, one) for one in live],
    )


def _one(session: Session, desk: Desk, link: Link) -> LinkOut:
    session.flush()
    return _shown(session, desk, [link])[0]


def _shown(session: Session, desk: Desk, rows: Sequence[Link]) -> list[LinkOut]:
    """All of them with a handful of statements."""
    ids = [link.id for link in rows]
    live = store.list_live_keys_of(session, ids, desk.now)
    first = (desk.now.astimezone(desk.settings.zone) - timedelta(days=LATELY_DAYS - 1)).date()
    lately = metering_store.questions_by_link(session, ids, first)
    plans = {plan.id: plan.name for plan in plan_store.list_all(session)}
    return [
        LinkOut.model_validate(
            {
                **_described(link),
                "guest_plan": plans.get(link.guest_plan_id or 0, GUEST_PLAN),
                "keys": [_key(desk, key) for key in live[link.id]],
                "questions_lately": lately.get(link.id, 0),
            }
        )
        for link in rows
    ]


def _described(link: Link) -> Mapping[str, Any]:
    return {
        "id": link.id,
        **commands.describe(link),
        "share_id": share_id(link.share_url),
        "created_at": link.created_at,
    }


def _key(desk: Desk, key: LinkKey) -> KeyOut:
    try:
        end = desk.keys.unseal(key.sealed).decode()[-KEY_END_CHARS:]
    except SealBroken:  # sealed under another secret key: it works no more either
        end = None
    return KeyOut(end=end, created_at=key.created_at, expires_at=key.expires_at)
