"""``shareauth links``: share links, their root URLs, and what visitors may do on them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import (
    NO_LOCALE,
    Duration,
    Limit,
    Message,
    Number,
    changed_limits,
    changed_messages,
    given,
)
from app.cli.link_calls import report_calls
from app.cli.output import card, iso, local, table
from app.cli.session import Desk, validated, with_desk
from app.errors import NotFound
from app.i18n import LOCALES
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links import commands, store
from app.links.addresses import root_url
from app.links.commands import LinkChange, LinkSpec
from app.links.models import Link
from app.plans import store as plan_store
from app.plans.commands import GUEST_PLAN

LIMIT = Limit(LinkLimits)
VISITOR_LIMIT = Limit(VisitorLimits)
GUEST_LIMIT = Limit(GuestLimits)

links = Group(
    "links",
    help="Share links: one here for each FastGPT share link that shall be guarded. A link has a "
    "secret key, and with it its own root URL, which goes into the share link's identity "
    "verification field in FastGPT.",
)


def link_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("link", help="The link's name, key or id.")(function)


_SETTINGS = [
    click.option(
        "--share-url",
        metavar="URL",
        help="FastGPT's own address of the link (…/chat/share?shareId=…); visitor URLs "
        "begin with it.",
    ),
    click.option(
        "--locale",
        type=click.Choice([*LOCALES, NO_LOCALE]),
        help="Language of messages where the visitor has none.",
    ),
    click.option(
        "--message",
        "messages",
        type=Message(),
        multiple=True,
        metavar="CODE:LOCALE=TEXT",
        help="Your own sentence for a refusal, such as visitor_rate:en='Wait {wait}.'; "
        "repeatable, an empty text takes it away.",
    ),
    click.option(
        "--issuer",
        "issuers",
        multiple=True,
        metavar="NAME",
        help="Only tokens of this issuer open the link; repeatable. Default: every active "
        "issuer but channels.",
    ),
    click.option(
        "--guests/--no-guests",
        "allows_guests",
        default=None,
        help="Whether visitors without a token may ask, under the guest plan.",
    ),
    click.option("--guest-plan", metavar="PLAN", help="The plan of guests; default: guest."),
    click.option(
        "--multiplier",
        type=Number(),
        metavar="FACTOR",
        help="Charges on this link are multiplied by it; 0 makes it free.",
    ),
    click.option(
        "--counting",
        type=click.Choice(["auto", "inclusive", "exclusive"]),
        help="Whether a FastGPT node that has children includes their points: as its "
        "generation says, always, never.",
    ),
    click.option(
        "--limit",
        "limits",
        type=LIMIT,
        multiple=True,
        metavar="LIMIT",
        help=f"All visitors of the link together. {LIMIT.explained}",
    ),
    click.option(
        "--visitor-limit",
        "visitor_limits",
        type=VISITOR_LIMIT,
        multiple=True,
        metavar="LIMIT",
        help=f"Each visitor, instead of their plan's. {VISITOR_LIMIT.explained}",
    ),
    click.option(
        "--guest-limit",
        "guest_limits",
        type=GUEST_LIMIT,
        multiple=True,
        metavar="LIMIT",
        help=f"All guests of the link together. {GUEST_LIMIT.explained}",
    ),
]


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both create and update."""
    for option in reversed(_SETTINGS):
        function = option(function)
    return function


@links.command(
    "create",
    example="shareauth links create support --share-url "
    "'https://fastgpt.example/chat/share?shareId=abc'",
)
@click.argument("name", help="What you call it; unique.")
@_settings
@with_desk
def create(desk: Desk, name: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Create a link and show its root URL.

    Paste the root URL into FastGPT: the app, Publish, Share link, identity verification. Whoever
    knows the URL can speak for FastGPT, so treat it as a password.
    """
    with desk.change() as session:
        spec = validated(LinkSpec, {"name": name, **_stated(session, None, typed)})
        made = commands.create(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        data = _described(desk, session, made.link)
    next_step = "Now paste the root URL into the share link's identity verification in FastGPT."
    return Report(data, [f"Link {name} is ready.", card(_shown(data)), next_step])


@links.command("update", example="shareauth links update support --visitor-limit burst=5 --guests")
@link_argument
@click.option("--any-issuer", is_flag=True, help="Take tokens of every active issuer again.")
@_settings
@with_desk
def update(desk: Desk, link: str, *, any_issuer: bool, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest; hooks follow at once.

    An empty text takes a value away, as in --share-url ''.
    """
    with desk.change() as session:
        found = find_link(desk, session, link)
        values = _stated(session, found, typed) | ({"issuers": None} if any_issuer else {})
        change = validated(LinkChange, values)
        commands.update(session, found, change, actor=desk.actor, now=desk.now)
        data = _described(desk, session, found)
    return Report(data, [f"Link {found.name} is changed.", card(_shown(data))])


@links.command("list", example="shareauth links list")
@with_desk
def list_(desk: Desk) -> Report:
    """List all links. `links show` also says their root URLs."""
    with desk.db.read() as session:
        rows = [_described(desk, session, link, with_key=False) for link in store.list_all(session)]
    shown = table(
        ["id>", "name", "status", "guests", "limits", "visitor limits", "share url"],
        [
            [
                row["id"],
                row["name"],
                row["status"],
                row["allows_guests"],
                row["limits"],
                row["visitor_limits"],
                row["share_url"],
            ]
            for row in rows
        ],
        empty="There is no link yet: `shareauth links create NAME` makes one.",
    )
    return Report({"links": rows}, [shown])


@links.command("show", example="shareauth links show support")
@link_argument
@with_desk
def show(desk: Desk, link: str) -> Report:
    """Show a link, its root URL and the keys that still work."""
    with desk.db.read() as session:
        found = find_link(desk, session, link)
        data = _described(desk, session, found)
        live = store.list_live_keys(session, found.id, desk.now)
        data["keys"] = [
            {"created_at": iso(key.created_at), "expires_at": iso(key.expires_at)} for key in live
        ]
    keys = table(
        ["key since", "works until"],
        [
            [
                local(key.created_at, desk.settings.zone),
                local(key.expires_at, desk.settings.zone) or "replaced",
            ]
            for key in live
        ],
        empty="No key works: `shareauth links rotate-key` makes a new one.",
    )
    return Report(data, [card(_shown(data)), "", keys])


@links.command("calls", example="shareauth links calls support")
@link_argument
@with_desk
def calls(desk: Desk, link: str) -> Report:
    """Say what FastGPT called on a link, how that was answered, and what to do about it."""
    with desk.db.read() as session:
        found = find_link(desk, session, link)
    return report_calls(desk, found)


@links.command("disable", example="shareauth links disable support")
@link_argument
@with_desk
def disable(desk: Desk, link: str) -> Report:
    """Switch a link off: it refuses visitors and questions at once, and still bills answers."""
    return _set_enabled(desk, link, enabled=False)


@links.command("enable", example="shareauth links enable support")
@link_argument
@with_desk
def enable(desk: Desk, link: str) -> Report:
    """Switch a link on again."""
    return _set_enabled(desk, link, enabled=True)


@links.command("rotate-key", example="shareauth links rotate-key support --overlap 2d")
@link_argument
@click.option(
    "--overlap",
    type=Duration(),
    default="24h",
    show_default=True,
    help="How long the old root URL works beside the new one; 0s ends it now.",
)
@with_desk
def rotate_key(desk: Desk, link: str, overlap: timedelta) -> Report:
    """Give a link a new key, and so a new root URL.

    Paste the new one into FastGPT before the overlap ends. When a key has leaked, use --overlap 0s.
    """
    with desk.change() as session:
        found = find_link(desk, session, link)
        seconds = int(overlap.total_seconds())
        commands.rotate_key(
            session, found, overlap_s=seconds, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        data = _described(desk, session, found)
        data["old_keys_expire_at"] = iso(desk.now + overlap)
    until = local(desk.now + overlap, desk.settings.zone)
    sentence = f"The old root URL of {found.name} works until {until}."
    return Report(data, [sentence, card({"root URL": data["root_url"]})])


def find_link(desk: Desk, session: Session, reference: str) -> Link:
    """The link a person means: by key, by name, else by id.

    Raises:
        LinkNotFound: there is none.
    """
    try:
        return store.get_by_reference(session, reference, desk.keys.link_key_digest(reference))
    except store.LinkNotFound:
        by_id = int(reference) if reference.isascii() and reference.isdigit() else None
        found = store.find_by_id(session, by_id) if by_id else None
        if found is None:
            raise
        return found


def _set_enabled(desk: Desk, link: str, *, enabled: bool) -> Report:
    with desk.change() as session:
        found = find_link(desk, session, link)
        commands.set_enabled(session, found, enabled=enabled, actor=desk.actor, now=desk.now)
        data = _described(desk, session, found, with_key=False)
    return Report(data, [f"Link {found.name} is {found.status}."])


def _stated(session: Session, link: Link | None, typed: dict[str, Any]) -> dict[str, object]:
    """The fields of a spec that were typed; limits and messages are changed, not replaced."""
    values = given(
        share_url=typed["share_url"],
        locale="" if typed["locale"] == NO_LOCALE else typed["locale"],
        allows_guests=typed["allows_guests"],
        price_multiplier=typed["multiplier"],
        counting=typed["counting"],
    )
    if (plan := typed["guest_plan"]) is not None:
        values["guest_plan_id"] = plan_store.get_by_name(session, plan).id if plan else None
    if typed["issuers"]:
        values["issuers"] = typed["issuers"]
    if typed["messages"]:
        values["messages"] = changed_messages(link.messages if link else {}, typed["messages"])
    for name in ("limits", "visitor_limits", "guest_limits"):
        if typed[name]:
            values[name] = changed_limits(getattr(link, name) if link else {}, typed[name])
    return values


def _described(
    desk: Desk, session: Session, link: Link, *, with_key: bool = True
) -> dict[str, Any]:
    """The link as JSON, with its newest key where wanted; key and URL are None when none works."""
    data: dict[str, Any] = {"id": link.id, **commands.describe(link)}
    names = {plan.id: plan.name for plan in plan_store.list_all(session)}
    data["guest_plan"] = names.get(data.pop("guest_plan_id"), GUEST_PLAN)
    data["created_at"] = iso(link.created_at)
    if with_key:
        key = _newest_key(desk, session, link)
        url = root_url(desk.settings.public_url, key) if key else None
        data |= {"key": key, "root_url": url}
    return data


def _newest_key(desk: Desk, session: Session, link: Link) -> str | None:
    try:
        return commands.show_key(session, link, keys=desk.keys, now=desk.now)
    except NotFound:
        return None


def _shown(data: Mapping[str, object]) -> dict[str, object]:
    """The parts of a link that a person asks for first, and what differs from the default."""
    return {
        "name": data["name"],
        "status": data["status"],
        "root URL": data.get("root_url"),
        "share URL": data["share_url"],
        "locale": data["locale"],
        "issuers": data["issuers"],
        "guests": "admitted" if data["allows_guests"] else "refused",
        "guest plan": data["guest_plan"],
        "multiplier": None if data["price_multiplier"] == "1" else data["price_multiplier"],
        "counting": None if data["counting"] == "auto" else data["counting"],
        "limits": data["limits"],
        "visitor limits": data["visitor_limits"],
        "guest limits": data["guest_limits"],
        "messages": data["messages"],
    }
