"""``shareauth issuers``: whose word about a visitor is taken."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from app.cli.documents import read_document
from app.cli.frame import Group, Report
from app.cli.output import card, iso, local, table
from app.cli.session import Desk, validated, with_desk
from app.tokens import issuer_commands, known, store
from app.tokens.issuers import IssuerSpec
from app.tokens.models import Issuer

issuers = Group(
    "issuers",
    help="An issuer is somebody whose word about a visitor is taken: your backend that signs JWTs, "
    "an identity provider with a JWKS address, or shareauth itself (`local`, for minted tokens). "
    "Those in the [[issuers]] of the settings are listed here too, but changed there.",
)

CLAIMS = ("subject", "name", "locale", "plan", "link")


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both add and update."""
    options = [
        click.option(
            "--file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="The issuer as TOML or JSON, as in the settings' [[issuers]]; options win.",
        ),
        click.option(
            "--algorithm",
            "algorithms",
            multiple=True,
            metavar="ALG",
            help="What it signs with, such as HS256, RS256, ES256 or EdDSA; repeatable.",
        ),
        click.option(
            "--secret-file",
            "secret_files",
            multiple=True,
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="File with a shared secret for HS256/384/512 (32 bytes or more); repeatable while "
            "one is replaced by the next.",
        ),
        click.option(
            "--public-key-file",
            "public_key_files",
            multiple=True,
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="PEM file with a public key; repeatable.",
        ),
        click.option("--jwks-url", metavar="URL", help="Where its current public keys are."),
        click.option("--iss", "issuer", metavar="TEXT", help="What `iss` says; default: its name."),
        click.option(
            "--audience", multiple=True, metavar="TEXT", help="What `aud` must name; repeatable."
        ),
        click.option(
            "--max-lifetime",
            "max_lifetime_s",
            type=click.IntRange(1),
            metavar="SECONDS",
            help="The longest a token may be valid; default: a day.",
        ),
        click.option("--default-plan", metavar="PLAN", help="The plan of its users."),
        click.option(
            "--creates-users/--known-users-only",
            "creates_users",
            default=None,
            help="Whether whoever comes with a valid token becomes a user.",
        ),
        click.option(
            "--claim",
            "claims",
            multiple=True,
            metavar="WHAT=CLAIM",
            help="Which claim says the subject, name, locale, plan or link; repeatable.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@issuers.command(
    "add",
    example="shareauth issuers add portal --algorithm HS256 --secret-file portal.key\n"
    "shareauth issuers add sso --algorithm RS256 --jwks-url https://sso.example/jwks "
    "--audience chat",
)
@click.argument("name", help="What you call it; part of its users' uids, so it never changes.")
@_settings
@with_desk
def add(desk: Desk, name: str, file: Path | None, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Add an issuer of JWTs (or, with kind in the file, of channel ids).

    The token's header never decides anything: algorithms, keys, audience and lifetime are those
    given here. Shared secrets are encrypted in the database and never shown again.
    """
    values = {**(read_document(file) if file else {}), **_stated(typed), "name": name}
    spec = validated(IssuerSpec, values)
    with desk.change() as session:
        made = issuer_commands.create_issuer(
            session, spec, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        data = _described(made, spec)
    return Report(data, [f"Issuer {name} is taken at its word from now on.", card(_shown(data))])


@issuers.command("update", example="shareauth issuers update portal --secret-file new.key")
@click.argument("name", help="The issuer's name.")
@_settings
@with_desk
def update(desk: Desk, name: str, file: Path | None, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest; every worker follows at once.

    With --file, the file replaces everything.
    """
    with desk.change() as session:
        row = store.get_issuer(session, name)
        issuer_commands.check_changeable(row)
        stated = _stated(typed)
        if file:
            kept = read_document(file)
            claims = {**kept.get("claims", {}), **stated.get("claims", {})}
            values = {"kind": row.kind, **kept, **stated, "claims": claims, "name": name}
        else:
            values = issuer_commands.changed_spec(known.stored_spec(row, keys=desk.keys), stated)
        spec = validated(IssuerSpec, values)
        issuer_commands.replace_issuer(
            session, row, spec, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        data = _described(row, spec)
    return Report(data, [f"Issuer {name} is changed.", card(_shown(data))])


@issuers.command("list", example="shareauth issuers list")
@with_desk
def list_(desk: Desk) -> Report:
    """List all issuers, the built-in ones first."""
    with desk.db.read() as session:
        found = known.join(store.list_issuers(session), desk.configured_issuers, keys=desk.keys)
        origins = {row.id: row for row in store.list_issuers(session)}
        rows = [_described(origins[one.id], one.spec) for one in found.by_id.values()]
    shown = table(
        ["name", "kind", "from", "status", "algorithms", "keys"],
        [
            [
                row["name"],
                row["kind"],
                row["origin"],
                row["status"],
                row["spec"].get("algorithms") or "",
                row["keys"],
            ]
            for row in rows
        ],
        empty="There are none: `shareauth db upgrade` makes the built-in ones.",
    )
    return Report({"issuers": rows}, [shown])


@issuers.command("show", example="shareauth issuers show portal")
@click.argument("name", help="The issuer's name.")
@with_desk
def show(desk: Desk, name: str) -> Report:
    """Show what is pinned for an issuer. Shared secrets are not shown."""
    with desk.db.read() as session:
        row = store.get_issuer(session, name)
        found = known.join([row], desk.configured_issuers, keys=desk.keys).by_id[row.id]
        data = _described(row, found.spec)
        data["created_at"] = iso(row.created_at)
    shown = _shown(data) | {"since": local(row.created_at, desk.settings.zone)}
    return Report(data, [card(shown)])


@issuers.command("disable", example="shareauth issuers disable portal")
@click.argument("name", help="The issuer's name.")
@with_desk
def disable(desk: Desk, name: str) -> Report:
    """Take an issuer's tokens no longer, at once. What was asked with them is still billed."""
    return _set_enabled(desk, name, enabled=False)


@issuers.command("enable", example="shareauth issuers enable portal")
@click.argument("name", help="The issuer's name.")
@with_desk
def enable(desk: Desk, name: str) -> Report:
    """Take an issuer's tokens again."""
    return _set_enabled(desk, name, enabled=True)


def _set_enabled(desk: Desk, name: str, *, enabled: bool) -> Report:
    with desk.change() as session:
        row = store.get_issuer(session, name)
        issuer_commands.set_issuer_enabled(
            session, row, enabled=enabled, actor=desk.actor, now=desk.now
        )
        data = issuer_commands.describe(row)
    return Report(data, [f"Issuer {name} is {row.status}."])


def _stated(typed: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a spec that were typed."""
    names = ("algorithms", "jwks_url", "issuer", "audience", "max_lifetime_s", "default_plan")
    values: dict[str, Any] = {name: typed[name] for name in names if typed[name]}
    if typed["creates_users"] is not None:
        values["creates_users"] = typed["creates_users"]
    if typed["secret_files"]:
        values["secrets"] = [_text_of(path) for path in typed["secret_files"]]
    if typed["public_key_files"]:
        values["public_keys"] = [_text_of(path) for path in typed["public_key_files"]]
    if typed["claims"]:
        values["claims"] = dict(_claim(text) for text in typed["claims"])
    return values


def _claim(text: str) -> tuple[str, str]:
    what, equals, claim = text.partition("=")
    if not equals or what not in CLAIMS or not claim:
        raise click.BadParameter(
            f"{text!r} does not read like subject=sub; known are {', '.join(CLAIMS)}",
            param_hint="--claim",
        )
    return what, claim


def _text_of(path: Path) -> str:
    return path.read_text("utf-8").strip()


def _described(row: Issuer, spec: IssuerSpec | None) -> dict[str, Any]:
    data = issuer_commands.describe(row)
    if spec is not None:
        data["spec"] = spec.public()
    return {"id": row.id, **data, "is_usable": spec is not None, "keys": _keys(spec)}


def _keys(spec: IssuerSpec | None) -> str:
    """Where its keys come from, in a few words."""
    if spec is None:
        return "unusable"
    if spec.secrets:
        return f"{len(spec.secrets)} secret" + ("s" if len(spec.secrets) > 1 else "")
    if spec.public_keys:
        return f"{len(spec.public_keys)} public key" + ("s" if len(spec.public_keys) > 1 else "")
    return spec.jwks_url or ""


def _shown(data: Mapping[str, Any]) -> dict[str, object]:
    spec = data["spec"]
    return {
        "name": data["name"],
        "kind": data["kind"],
        "from": data["origin"],
        "status": data["status"],
        "iss": spec.get("issuer") or (data["name"] if data["kind"] == "jwt" else None),
        "audience": spec.get("audience"),
        "algorithms": spec.get("algorithms"),
        "keys": data["keys"],
        "max lifetime": f"{spec['max_lifetime_s']} s" if spec.get("max_lifetime_s") else None,
        "claims": spec.get("claims") if data["kind"] == "jwt" else None,
        "pattern": spec.get("pattern"),
        "creates users": spec.get("creates_users"),
        "default plan": spec.get("default_plan"),
    }
