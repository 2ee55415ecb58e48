"""``shareauth operators``: who may use the console and the JSON API."""

from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import NO_LOCALE, given
from app.cli.output import card, iso, local, table
from app.cli.session import Desk, validated, with_desk
from app.errors import NotFound
from app.i18n import LOCALES
from app.links import store as link_store
from app.operators import api_tokens, commands, store
from app.operators.api_tokens import ApiTokenSpec
from app.operators.commands import OperatorChange, OperatorSpec
from app.operators.models import Operator, described
from app.operators.roles import PERMISSIONS, ROLES

operators = Group(
    "operators",
    help="Operators use the console at /admin and, with API tokens, the JSON API. Their role says "
    "what they may do; they may be kept to certain links.",
)
tokens = Group(
    "tokens", help="API tokens: what programs sign in with. Each belongs to an operator."
)
operators.add_command(tokens)

ROLE = click.Choice(list(ROLES))


def _options(function: Any) -> Any:  # noqa: ANN401 - click's decorators
    options = [
        click.option("--display-name", metavar="TEXT", help="What people call them."),
        click.option("--email", metavar="ADDRESS", help="Where they are reached."),
        click.option(
            "--locale", type=click.Choice([*LOCALES, NO_LOCALE]), help="Language of their pages."
        ),
        click.option(
            "--link",
            "links",
            multiple=True,
            metavar="NAME",
            help="A link they may see; repeatable. Without any: all.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@operators.command("add", example="shareauth operators add anna --role finance")
@click.argument("name", help="What they sign in with.")
@click.option("--role", type=ROLE, required=True, help="What they may do.")
@_options
@with_desk
def add(desk: Desk, name: str, role: str, **typed: Any) -> Report:  # noqa: ANN401 - the options
    """Add an operator with a random password, to be changed at the first sign-in."""
    with desk.db.begin() as session:
        spec = validated(OperatorSpec, {"name": name, "role": role, **_stated(session, typed)})
        made = commands.create(session, spec, actor=desk.actor, now=desk.now)
        data = _data(made.operator) | {"password": made.password}
    return Report(
        data,
        [
            f"Operator {made.operator.name} is added. The password, shown this once:",
            made.password,
            f"Sign in at {desk.settings.public_url}/admin",
        ],
    )


@operators.command("update", example="shareauth operators update anna --role support")
@click.argument("name", help="The operator's name.")
@click.option("--role", type=ROLE, help="What they may do.")
@click.option("--all-links", is_flag=True, help="They may see every link again.")
@_options
@with_desk
def update(
    desk: Desk,
    name: str,
    role: str | None,
    *,
    all_links: bool,
    **typed: Any,  # noqa: ANN401 - the options
) -> Report:
    """Change what is given and leave the rest."""
    with desk.db.begin() as session:
        operator = store.get_by_name(session, name)
        values = _stated(session, typed) | given(role=role)
        if all_links:
            values["link_ids"] = None
        change = validated(OperatorChange, values)
        commands.update(session, operator, change, actor=desk.actor, now=desk.now)
        data = _data(operator)
    return Report(data, [f"Operator {operator.name} is changed.", card(data)])


@operators.command("list", example="shareauth operators list")
@with_desk
def list_(desk: Desk) -> Report:
    """List operators."""
    with desk.db.read() as session:
        rows = store.list_all(session)
        data = [_data(row) for row in rows]
    shown = table(
        ["name", "role", "status", "links", "second factor", "last sign-in"],
        [
            [
                row.name,
                row.role,
                row.status,
                "all" if row.link_ids is None else ", ".join(map(str, row.link_ids)),
                "on" if row.totp_confirmed_at else "off",
                local(row.last_login_at, desk.settings.zone),
            ]
            for row in rows
        ],
        empty="There is no operator: `shareauth operators add NAME --role owner` adds the first.",
    )
    return Report({"operators": data}, [shown])


@operators.command("disable", example="shareauth operators disable anna --reason 'left'")
@click.argument("name", help="The operator's name.")
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def disable(desk: Desk, name: str, reason: str | None) -> Report:
    """End an operator's sessions and stop their tokens, at once. Nothing they did is lost."""
    return _set_enabled(desk, name, reason, enabled=False)


@operators.command("enable", example="shareauth operators enable anna")
@click.argument("name", help="The operator's name.")
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def enable(desk: Desk, name: str, reason: str | None) -> Report:
    """Let a disabled operator sign in again."""
    return _set_enabled(desk, name, reason, enabled=True)


@operators.command("reset-password", example="shareauth operators reset-password anna")
@click.argument("name", help="The operator's name.")
@with_desk
def reset_password(desk: Desk, name: str) -> Report:
    """Give a new random password, shown this once; it is changed at the next sign-in."""
    with desk.db.begin() as session:
        operator = store.get_by_name(session, name)
        made = commands.reset_password(session, operator, actor=desk.actor, now=desk.now)
        data = {"name": operator.name, "password": made.password}
    return Report(data, [f"The password of {data['name']}, shown this once:", made.password])


@operators.command("remove-second-factor", example="shareauth operators remove-second-factor anna")
@click.argument("name", help="The operator's name.")
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def remove_second_factor(desk: Desk, name: str, reason: str | None) -> Report:
    """Switch the second factor of somebody off who lost their phone and their codes."""
    with desk.db.begin() as session:
        operator = store.get_by_name(session, name)
        commands.remove_second_factor(
            session, operator, actor=desk.actor, now=desk.now, reason=reason
        )
        data = _data(operator)
    return Report(data, [f"The second factor of {operator.name} is off."])


@tokens.command(
    "create",
    example="shareauth operators tokens create anna --name shop --scope wallets:write "
    "--scope tokens:mint",
)
@click.argument("name", help="The operator whose token it is.")
@click.option("--name", "token_name", required=True, metavar="TEXT", help="What it is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(list(PERMISSIONS)),
    metavar="PERMISSION",
    help="What it may do; repeatable. " + ", ".join(PERMISSIONS),
)
@click.option("--expires-at", type=click.DateTime(), help="When it ends, in UTC. Default: never.")
@with_desk
def create_token(
    desk: Desk, name: str, token_name: str, scopes: tuple[str, ...], expires_at: datetime | None
) -> Report:
    """Make an API token. It is shown this once; a digest of it is kept."""
    with desk.db.begin() as session:
        owner = store.get_by_name(session, name)
        ends = None if expires_at is None else expires_at.replace(tzinfo=desk.now.tzinfo)
        spec = validated(ApiTokenSpec, {"name": token_name, "scopes": scopes, "expires_at": ends})
        made = api_tokens.create(
            session, owner, spec, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        data = {"id": made.row.id, **api_tokens.described(made.row), "token": made.token}
    return Report(data, ["The token, shown this once:", made.token])


@tokens.command("list", example="shareauth operators tokens list")
@with_desk
def list_tokens(desk: Desk) -> Report:
    """List API tokens, the newest first."""
    with desk.db.read() as session:
        names = {row.id: row.name for row in store.list_all(session)}
        rows = store.list_tokens(session)
        data = [
            {"id": row.id, **api_tokens.described(row), "last_used_at": iso(row.last_used_at)}
            for row in rows
        ]
    zone = desk.settings.zone
    shown = table(
        ["id>", "start", "name", "operator", "scopes", "expires", "last used", "revoked"],
        [
            [
                row.id,
                row.start,
                row.name,
                names[row.operator_id],
                ", ".join(row.scopes),
                local(row.expires_at, zone),
                local(row.last_used_at, zone),
                local(row.revoked_at, zone),
            ]
            for row in rows
        ],
        empty="There is no API token: `shareauth operators tokens create` makes one.",
    )
    return Report({"tokens": data}, [shown])


@tokens.command("revoke", example="shareauth operators tokens revoke 3 --reason 'leaked'")
@click.argument("token_id", type=int, help="Its id.")
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def revoke_token(desk: Desk, token_id: int, reason: str | None) -> Report:
    """Stop a token at once, for good."""
    with desk.db.begin() as session:
        row = store.get_token(session, token_id)
        api_tokens.revoke(session, row, actor=desk.actor, now=desk.now, reason=reason)
        data = {"id": row.id, **api_tokens.described(row)}
    return Report(data, [f"Token {token_id} is revoked."])


def _set_enabled(desk: Desk, name: str, reason: str | None, *, enabled: bool) -> Report:
    with desk.db.begin() as session:
        operator = store.get_by_name(session, name)
        commands.set_enabled(
            session, operator, enabled=enabled, actor=desk.actor, now=desk.now, reason=reason
        )
        data = _data(operator)
    return Report(data, [f"Operator {operator.name} is {operator.status}."])


def _stated(session: Session, typed: dict[str, Any]) -> dict[str, object]:
    values = given(display_name=typed["display_name"], email=typed["email"])
    if typed["locale"]:
        values["locale"] = None if typed["locale"] == NO_LOCALE else typed["locale"]
    if typed["links"]:
        values["link_ids"] = [_link_id(session, name) for name in typed["links"]]
    return values


def _link_id(session: Session, name: str) -> int:
    link = link_store.find_by_name(session, name)
    if link is None:
        raise NotFound(f"there is no link named {name!r}", code="link_not_found")
    return link.id


def _data(operator: Operator) -> dict[str, Any]:
    return {
        "id": operator.id,
        **described(operator),
        "created_at": iso(operator.created_at),
        "last_login_at": iso(operator.last_login_at),
    }
