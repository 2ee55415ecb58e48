"""``shareauth users``: the people who ask."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import NO_LOCALE, Duration, Limit, changed_limits, given
from app.cli.output import amount, card, iso, local, table
from app.cli.people import find_user, subject_argument
from app.cli.session import Desk, validated, with_desk
from app.errors import Invalid
from app.i18n import LOCALES
from app.ledger import store as ledger_store
from app.limits import VisitorLimits
from app.metering import store as metering_store
from app.people import erasure, personal_data
from app.people.plans import Plans
from app.plans import store as plan_store
from app.tokens import store as token_store
from app.tokens.issuers import LOCAL
from app.turns import page_pass
from app.users import commands, store
from app.users.commands import UserChange, UserSpec
from app.users.models import User

LIMIT = Limit(VisitorLimits)

users = Group(
    "users",
    help="A user is a subject of an issuer: the same name from two issuers is two users. Most "
    "appear by themselves, with their first valid token; FastGPT knows each by a uid that never "
    "changes.",
)


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of both add and update."""
    options = [
        click.option("--name", metavar="TEXT", help="What people call them."),
        click.option(
            "--locale", type=click.Choice([*LOCALES, NO_LOCALE]), help="Language of their messages."
        ),
        click.option("--plan", metavar="PLAN", help="Their plan; default: the issuer's."),
        click.option(
            "--limit",
            "limits",
            type=LIMIT,
            multiple=True,
            metavar="LIMIT",
            help=f"Their own, instead of plan and link. {LIMIT.explained}",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@users.command("show", example="shareauth users show alice")
@subject_argument
@with_desk
def show(desk: Desk, subject: str, issuer: str | None) -> Report:
    """Show one user: balance, usage, plan, limits and questions that wait for their answer.

    Open questions are known only while the service's Redis answers.
    """
    with desk.db.read() as session:
        user = find_user(session, subject, issuer)
        data = _described(desk, session, user)
        wallet = ledger_store.find_account(session, user.id)
        data |= {
            "balance": amount(wallet.balance if wallet else 0),
            "currency": desk.settings.billing.currency,
            "points_used": amount(metering_store.points_used(session, user.id)),
        }
    held = desk.gate.snapshot(user.id, 0)
    data["open_questions"] = None if held is None else held.visitor_open
    data["held"] = None if held is None else amount(held.visitor_hold)
    return Report(data, [card(_shown(desk, user, data))])


@users.command("list", example="shareauth users list --limit 20")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many."
)
@click.option(
    "--after", "after_id", type=int, default=0, metavar="ID", help="Only users after this one."
)
@with_desk
def list_(desk: Desk, *, limit: int, after_id: int) -> Report:
    """List users in the order in which they were first seen."""
    with desk.db.read() as session:
        listed = store.list_page(session, after_id=after_id, limit=limit)
        plans = Plans.load(session, desk.configured_issuers)
        rows = []
        for one in listed:
            wallet = ledger_store.find_account(session, one.user.id)
            rows.append(
                {
                    "id": one.user.id,
                    "uid": one.user.uid,
                    "subject": one.user.subject,
                    "issuer": one.issuer_name,
                    "name": one.user.name,
                    "status": one.user.status,
                    "plan": plans.of(one.user).name,
                    "balance": amount(wallet.balance if wallet else 0),
                    "created_at": iso(one.user.created_at),
                }
            )
    shown = table(
        ["id>", "subject", "issuer", "name", "status", "plan", "balance>", "uid"],
        [
            [
                row["id"],
                row["subject"],
                row["issuer"],
                row["name"],
                row["status"],
                row["plan"],
                row["balance"],
                row["uid"],
            ]
            for row in rows
        ],
        empty="Nobody was seen yet: users appear with their first token, or by `users add`.",
    )
    following = listed[-1].user.id if len(listed) == limit else None
    more = [f"More: --after {following}"] if following else []
    return Report({"users": rows, "next": following}, [shown, *more])


@users.command("add", example="shareauth users add alice --name 'Alice Li' --plan staff")
@click.argument("subject", help="As the issuer names them.")
@click.option(
    "--issuer", default=LOCAL, show_default=True, metavar="NAME", help="Whose subject it is."
)
@_settings
@with_desk
def add(desk: Desk, subject: str, issuer: str, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Add a user before they were ever seen, to give them credit or a plan.

    Needed for issuers that do not create users by themselves.
    """
    with desk.change() as session:
        row = token_store.get_issuer(session, issuer)
        values = {"issuer_id": row.id, "subject": subject, **_stated(session, None, typed)}
        spec = validated(UserSpec, values)
        uid = desk.keys.uid(row.name, subject)
        user = commands.create(session, spec, uid=uid, actor=desk.actor, now=desk.now)
        data = _described(desk, session, user)
    return Report(data, [f"User {user.subject} is added.", card(_shown(desk, user, data))])


@users.command("update", example="shareauth users update alice --plan staff --limit burst=10")
@subject_argument
@_settings
@with_desk
def update(desk: Desk, subject: str, issuer: str | None, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Change what is given and leave the rest; it holds from the next question on.

    An empty text takes a value away, as in --plan ''. What the issuer's tokens say about name and
    locale wins when the user comes next.
    """
    with desk.change() as session:
        user = find_user(session, subject, issuer)
        change = validated(UserChange, _stated(session, user, typed))
        commands.update(session, user, change, actor=desk.actor, now=desk.now)
        data = _described(desk, session, user)
    return Report(data, [f"User {user.subject} is changed.", card(_shown(desk, user, data))])


@users.command("suspend", example="shareauth users suspend alice --reason 'left the company'")
@subject_argument
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def suspend(desk: Desk, subject: str, issuer: str | None, reason: str | None) -> Report:
    """Refuse a user on every link, at once. What they had asked already is still billed."""
    return _set_suspended(desk, subject, issuer, reason, suspended=True)


@users.command("activate", example="shareauth users activate alice")
@subject_argument
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def activate(desk: Desk, subject: str, issuer: str | None, reason: str | None) -> Report:
    """Admit a suspended user again."""
    return _set_suspended(desk, subject, issuer, reason, suspended=False)


@users.command("page-link", example="shareauth users page-link alice --ttl 7d")
@subject_argument
@click.option(
    "--ttl",
    type=Duration(),
    default="24h",
    show_default=True,
    help="How long it opens the page, such as 30m or 7d; at most 30 days.",
)
@with_desk
def page_link(desk: Desk, subject: str, issuer: str | None, ttl: timedelta) -> Report:
    """Make a link to a user's own page: balance, usage, limits, codes to redeem, chats to open.

    Whoever has it is that user there until it expires; `shareauth tokens revoke --subject` ends it
    before.
    """
    seconds = int(ttl.total_seconds())
    if not page_pass.LINK_SECONDS_MIN <= seconds <= page_pass.LINK_SECONDS_MAX:
        raise Invalid("--ttl: at least a minute, at most 30 days", code="ttl_invalid")
    with desk.change() as session:
        user = find_user(session, subject, issuer)
        signed = page_pass.make_link(
            session, user, lasts=ttl, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        said = user.subject
    address = page_pass.address(desk.settings.public_url, signed)
    expires_at = desk.now + ttl
    return Report(
        {"url": address, "expires_at": iso(expires_at)},
        [
            f"A link to the page of {said}. Whoever has it is them until it expires.",
            card({"page": address, "expires": local(expires_at, desk.settings.zone)}),
        ],
    )


def _set_suspended(
    desk: Desk, subject: str, issuer: str | None, reason: str | None, *, suspended: bool
) -> Report:
    with desk.change() as session:
        user = find_user(session, subject, issuer)
        commands.set_suspended(
            session, user, suspended=suspended, actor=desk.actor, now=desk.now, reason=reason
        )
        data = _described(desk, session, user)
    return Report(data, [f"User {user.subject} is {user.status}."])


@users.command(
    "erase", example="shareauth users erase alice --subject alice --reason 'asked for it'"
)
@subject_argument
@click.option(
    "--subject",
    "typed",
    required=True,
    metavar="TEXT",
    help="The user's subject once more, as `users show` prints it, to be sure.",
)
@click.option("--reason", help="Why, for the audit journal. It stays: write no name into it.")
@with_desk
def erase(desk: Desk, subject: str, issuer: str | None, typed: str, reason: str | None) -> Report:
    """Make a person unknown for good: their name, locale, attributes and subject.

    Their sessions and minted tokens go too, and the user is suspended. Number, uid, wallet and
    usage stay, so that the books go on adding up. Tokens that their issuer gave them before are
    refused; with a new one they come back as somebody new. It cannot be undone. What else there is
    to think of is in docs/operations.md.
    """
    with desk.change() as session:
        user = find_user(session, subject, issuer)
        erased = erasure.erase(
            session,
            user,
            typed=typed,
            gate=desk.gate,
            actor=desk.actor,
            now=desk.now,
            reason=reason,
        )
    data = {
        "id": user.id,
        "uid": user.uid,
        "subject": user.subject,
        "sessions": erased.sessions,
        "tokens": erased.tokens,
        "pseudonymised": dict(erased.pseudonymised),
    }
    said = (
        f"User {user.id} is erased, with {erased.sessions} sessions and {erased.tokens} tokens. "
        f"In FastGPT their chats are those of {user.uid}: delete them there."
    )
    return Report(data, [said])


@users.command("personal-data", example="shareauth users personal-data alice --out alice.json")
@subject_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to; default: standard output.",
)
@with_desk
def write_personal_data(desk: Desk, subject: str, issuer: str | None, out: Path | None) -> Report:
    """Write everything the service keeps about one person, as one JSON document.

    Profile, wallet, transactions, answers in numbers, sessions, tokens, questions without a
    finish, and what operators changed: for whoever asks what is known of them.
    """
    with desk.db.read() as session:
        user = find_user(session, subject, issuer)
    pieces = personal_data.document(desk.db, user.id, now=desk.now)
    if out is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return Report({}, [], is_silent=True)
    with out.open("w", encoding="utf-8") as file:
        out.chmod(0o600)
        file.writelines(pieces)
    return Report({"place": str(out)}, [f"Written to {out}."])


def _stated(session: Session, user: User | None, typed: dict[str, Any]) -> dict[str, object]:
    """The fields of a spec that were typed; limits are changed, not replaced."""
    values = given(
        name=typed["name"], locale="" if typed["locale"] == NO_LOCALE else typed["locale"]
    )
    if (plan := typed["plan"]) is not None:
        values["plan_id"] = plan_store.get_by_name(session, plan).id if plan else None
    if typed["limits"]:
        values["limits"] = changed_limits(user.limits if user else {}, typed["limits"])
    return values


def _described(desk: Desk, session: Session, user: User) -> dict[str, Any]:
    data: dict[str, Any] = {"id": user.id, **commands.describe(user)}
    data["has_own_plan"] = data.pop("plan_id") is not None
    data["plan"] = Plans.load(session, desk.configured_issuers).of(user).name
    data["issuer"] = store.issuer_name(session, user.issuer_id)
    data["tokens_valid_after"] = iso(user.tokens_valid_after)
    data["created_at"] = iso(user.created_at)
    data["erased_at"] = iso(user.erased_at)
    return data


def _shown(desk: Desk, user: User, data: dict[str, Any]) -> dict[str, object]:
    zone = desk.settings.zone
    balance = data.get("balance")
    return {
        "subject": data["subject"],
        "issuer": data["issuer"],
        "uid": data["uid"],
        "name": data["name"],
        "status": data["status"],
        "plan": data["plan"],
        "balance": None if balance is None else f"{balance} {data['currency']}",
        "points used": data.get("points_used"),
        "open questions": data.get("open_questions"),
        "own limits": data["limits"],
        "locale": data["locale"],
        "attributes": data["attributes"],
        "tokens valid after": local(user.tokens_valid_after, zone),
        "first seen": local(user.created_at, zone),
        "erased": local(user.erased_at, zone),
    }
