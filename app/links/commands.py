"""What an operator may do to links and their keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app import i18n, revision
from app.audit import journal
from app.audit.journal import Actor
from app.config import Locale
from app.errors import Conflict, Invalid, NotFound
from app.keys import Keys, new_link_key
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links import store
from app.links.models import Link
from app.money import format_nano, to_nano

ACTIVE = "active"
DISABLED = "disabled"


def _plain(name: str) -> str:
    if name != name.strip() or not name.isprintable():
        raise ValueError("must be printable and not begin or end with a blank")
    return name


def _speakable(messages: dict[str, dict[Locale, str]]) -> dict[str, dict[Locale, str]]:
    for code, texts in messages.items():
        for text in texts.values():
            if not text.replace("\n", "").isprintable():
                raise ValueError(f"{code}: only printable characters and new lines")
            try:
                i18n.check_message(code, text)
            except Invalid as problem:
                raise ValueError(problem.message) from None
    return messages


Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_plain)]
ShareUrl = Annotated[
    str, Field(pattern=r"^https?://[^\s#]+$", max_length=2000), AfterValidator(_plain)
]
Messages = Annotated[dict[str, dict[Locale, str]], AfterValidator(_speakable)]
Multiplier = Annotated[Decimal, Field(ge=0, le=1000, decimal_places=9)]
Counting = Literal["auto", "inclusive", "exclusive"]


class _Link(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    share_url: ShareUrl | None = None
    """FastGPT's address of the link, ``https://host/chat/share?shareId=…``."""
    locale: Locale | None = None
    messages: Messages = Field(default_factory=dict)
    """``{code: {locale: sentence}}``."""
    issuers: tuple[str, ...] | None = None
    """Names of the issuers whose tokens open this link. None: every active issuer of kind ``jwt``
    and our own tokens. An issuer of kind ``channel`` must always be named, for its ids prove
    nothing on a link that people open in a browser."""
    allows_guests: bool = False
    guest_plan_id: int | None = None
    """None: the plan ``guest``."""
    price_multiplier: Multiplier = Decimal(1)
    limits: LinkLimits = LinkLimits()
    visitor_limits: VisitorLimits = VisitorLimits()
    guest_limits: GuestLimits = GuestLimits()
    counting: Counting = "auto"


class LinkSpec(_Link):
    """A whole link."""

    name: Name


class LinkChange(_Link):
    """What to change; only fields that are given change, also when given as None."""


@dataclass(frozen=True, slots=True)
class CreatedLink:
    link: Link
    key: str
    """The secret in the root URL."""


def create(
    session: Session, spec: LinkSpec, *, keys: Keys, actor: Actor, now: datetime
) -> CreatedLink:
    """The new link, switched on, with its first key.

    Raises:
        Conflict: a link of that name exists (``link_exists``).
    """
    row = {"name": spec.name, "status": ACTIVE, "created_at": now, **_columns(spec)}
    link = store.find_by_name(session, spec.name) if store.insert_if_new(session, row) else None
    if link is None:
        raise Conflict(f"there is a link named {spec.name!r} already", code="link_exists")
    key = _add_key(session, link, keys=keys, now=now)
    _record(session, "create", link, actor=actor, now=now)
    return CreatedLink(link, key)


def update(
    session: Session, link: Link, change: LinkChange, *, actor: Actor, now: datetime
) -> Link:
    before = describe(link)
    columns = _columns(change)
    for name in change.model_fields_set:
        setattr(link, name, columns[name])
    session.flush()
    _record(session, "update", link, actor=actor, now=now, before=before)
    return link


def set_enabled(
    session: Session, link: Link, *, enabled: bool, actor: Actor, now: datetime
) -> Link:
    """Switch the link on or off; switched off it refuses init and start, never a finish."""
    before = describe(link)
    link.status = ACTIVE if enabled else DISABLED
    session.flush()
    _record(session, "enable" if enabled else "disable", link, actor=actor, now=now, before=before)
    return link


def rotate_key(
    session: Session, link: Link, *, overlap_s: int, keys: Keys, actor: Actor, now: datetime
) -> str:
    """Give the link a new key and return it; the old ones work for ``overlap_s`` seconds more.

    Raises:
        Invalid: a negative overlap, or more than a year.
    """
    if not 0 <= overlap_s <= 366 * 86400:
        raise Invalid("the overlap must be between 0 seconds and a year", code="overlap_invalid")
    until = now + timedelta(seconds=overlap_s)
    for old in store.list_live_keys(session, link.id, now):
        old.expires_at = min(old.expires_at or until, until)
    key = _add_key(session, link, keys=keys, now=now)
    _record(session, "rotate_key", link, actor=actor, now=now, reason=f"overlap {overlap_s} s")
    return key


def show_key(session: Session, link: Link, *, keys: Keys, now: datetime) -> str:
    """The newest key that works, to be shown in the root URL.

    Raises:
        NotFound: none works any more: rotate the key (``link_key_missing``).
        SealBroken: it was sealed under another secret key.
    """
    live = store.list_live_keys(session, link.id, now)
    if not live:
        raise NotFound(f"link {link.name!r} has no key: rotate it", code="link_key_missing")
    return keys.unseal(live[0].sealed).decode()


def describe(link: Link) -> dict[str, Any]:
    """The link as JSON, without its keys."""
    return {
        "name": link.name,
        "status": link.status,
        "share_url": link.share_url,
        "locale": link.locale,
        "messages": link.messages,
        "issuers": link.issuers,
        "allows_guests": link.allows_guests,
        "guest_plan_id": link.guest_plan_id,
        "price_multiplier": format_nano(link.price_multiplier),
        "limits": link.limits,
        "visitor_limits": link.visitor_limits,
        "guest_limits": link.guest_limits,
        "counting": link.counting,
    }


def _columns(spec: _Link) -> dict[str, object]:
    return {
        "share_url": spec.share_url,
        "locale": spec.locale,
        "messages": spec.messages,
        "issuers": None if spec.issuers is None else list(spec.issuers),
        "allows_guests": spec.allows_guests,
        "guest_plan_id": spec.guest_plan_id,
        "price_multiplier": to_nano(spec.price_multiplier),
        "limits": spec.limits.stored(),
        "visitor_limits": spec.visitor_limits.stored(),
        "guest_limits": spec.guest_limits.stored(),
        "counting": spec.counting,
    }


def _add_key(session: Session, link: Link, *, keys: Keys, now: datetime) -> str:
    key = new_link_key()
    store.add_key(
        session,
        link_id=link.id,
        digest=keys.link_key_digest(key),
        sealed=keys.seal(key.encode()),
        now=now,
    )
    return key


def _record(
    session: Session,
    verb: str,
    link: Link,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"links.{verb}",
        subject=("link", link.id),
        now=now,
        change=(before, describe(link)),
        reason=reason,
    )
    revision.bump(session)
