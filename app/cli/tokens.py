"""``shareauth tokens``: what visitors prove themselves with."""

from datetime import timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import Duration
from app.cli.links import find_link
from app.cli.output import card, iso, local, table
from app.cli.people import find_user, issuer_option
from app.cli.session import Desk, validated, with_desk
from app.errors import Invalid
from app.links import store as link_store
from app.links.addresses import visitor_url
from app.links.models import Link
from app.tokens import commands, store
from app.tokens.issuers import LOCAL
from app.tokens.models import Token
from app.turns import visitor_urls
from app.turns.token_check import Examiner, Verdict
from app.turns.visitor_urls import UrlSpec
from app.users import commands as user_commands
from app.users import store as user_store
from app.users.models import User

TOKEN_CHARS_MIN = 20
"""Shorter texts are typing mistakes: nothing so short is a token of anybody."""

NO_SHARE_URL = (
    "The link has no share URL yet, so the visitor URL begins with a placeholder: "
    "`shareauth links update {name} --share-url …`."
)

tokens = Group(
    "tokens",
    help="A token says who a visitor is. Those minted here are random, kept as digests only and "
    "shown once; your own backend may sign JWTs instead (see `shareauth issuers`). The visitor URL "
    "is the share page with the token in it: whoever has it is that visitor, so hand it out just "
    "when it is used.",
)


class Expiry(Duration):
    """A duration, or ``never``."""

    name = "expiry"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - a duration or the word
        return value if value == "never" else super().convert(value, param, ctx)


@tokens.command("mint", example="shareauth tokens mint --link support --subject alice")
@click.option(
    "--link", required=True, metavar="LINK", help="The link it opens: its key, name or id."
)
@click.option("--subject", required=True, help="Who it speaks for, or a uid; made if new.")
@click.option(
    "--issuer", default=LOCAL, show_default=True, metavar="NAME", help="Whose subject it is."
)
@click.option(
    "--expires-in",
    "expires_in",
    type=Expiry(),
    default="24h",
    show_default=True,
    help="How long it opens the link, such as 30m, 7d or never.",
)
@click.option(
    "--one-time", is_flag=True, help="It opens one session, and none after that has ended."
)
@click.option("--any-link", is_flag=True, help="It opens every link that takes our own tokens.")
@click.option("--label", metavar="TEXT", help="A note for yourself, shown by `tokens list`.")
@with_desk
def mint(  # noqa: PLR0913 - one for each option
    desk: Desk,
    *,
    link: str,
    subject: str,
    issuer: str,
    expires_in: timedelta | str,
    one_time: bool,
    any_link: bool,
    label: str | None,
) -> Report:
    """Mint a token for a visitor and show it, this once, with the URL to open.

    A subject of the issuer `local` that was never seen becomes a user; users of other issuers must
    be there already.
    """
    with desk.change() as session:
        found = find_link(desk, session, link)
        user = _visitor(desk, session, subject, issuer)
        ttl = int(expires_in.total_seconds()) if isinstance(expires_in, timedelta) else None
        values: dict[str, object] = {
            "ttl_s": ttl,
            "is_one_time": one_time,
            "is_for_any_link": any_link,
            "label": label,
        }
        made = visitor_urls.mint(
            session,
            found,
            user,
            validated(UrlSpec, values),
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
        data = {
            **_described(made.token, user, found),
            "token": made.text,
            "visitor_url": made.url,
        }
    return Report(
        data,
        [
            f"A token for {user.subject}. It is shown this once.",
            card(
                {
                    "token": made.text,
                    "visitor URL": data["visitor_url"],
                    "link": "any" if any_link else found.name,
                    "expires": local(made.token.expires_at, desk.settings.zone) or "never",
                }
            ),
            *_placeholder_note(found),
        ],
    )


@tokens.command("url", example="shareauth tokens url --link support eyJhbGciOiJIUzI1NiIs…")
@click.argument("token", help="A minted token, or a JWT that your backend has signed.")
@click.option("--link", required=True, metavar="LINK", help="The link: its key, name or id.")
@with_desk
def url(desk: Desk, token: str, link: str) -> Report:
    """Make the visitor URL for a token that you have already.

    It is the link's share URL with authToken added; nothing is checked or stored.
    """
    with desk.db.read() as session:
        found = find_link(desk, session, link)
    address = visitor_url(found.share_url, token)
    return Report(
        {"link": found.name, "visitor_url": address}, [address, *_placeholder_note(found)]
    )


@tokens.command("list", example="shareauth tokens list --subject alice")
@click.option("--subject", help="Only tokens of this user.")
@issuer_option
@click.option("--link", metavar="LINK", help="Only tokens bound to this link.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many."
)
@click.option("--before", "before_id", type=int, metavar="ID", help="Only tokens before this one.")
@with_desk
def list_(
    desk: Desk,
    *,
    subject: str | None,
    issuer: str | None,
    link: str | None,
    limit: int,
    before_id: int | None,
) -> Report:
    """List minted tokens, newest first. The tokens themselves are not kept."""
    with desk.db.read() as session:
        found = store.list_tokens(
            session,
            user_id=find_user(session, subject, issuer).id if subject else None,
            link_id=find_link(desk, session, link).id if link else None,
            before_id=before_id,
            limit=limit,
        )
        links = {one.id: one for one in link_store.list_all(session)}
        rows = [
            _described(token, _owner(session, token), links.get(token.link_id or 0))
            | {"status": _status(desk, token)}
            for token in found
        ]
    zone = desk.settings.zone
    shown = table(
        ["id>", "subject", "link", "status", "expires", "one time", "label"],
        [
            [
                row["id"],
                row["subject"],
                row["link"] or "any",
                row["status"],
                local(token.expires_at, zone) or "never",
                row["is_one_time"],
                row["label"],
            ]
            for row, token in zip(rows, found, strict=True)
        ],
        empty="No token is minted yet, or none that matches: `shareauth tokens mint` makes one.",
    )
    older = found[-1].id if len(found) == limit else None
    more = [f"Older ones: --before {older}"] if older else []
    return Report({"tokens": rows, "next": older}, [shown, *more])


@tokens.command("check", example="shareauth tokens check --link support eyJhbGciOiJIUzI1NiIs…")
@click.argument("token", help="A minted token, a JWT, or a guest's or channel's id.")
@click.option("--link", required=True, metavar="LINK", help="The link: its key, name or id.")
@with_desk
def check(desk: Desk, token: str, link: str) -> Report:
    """Say why a token would be accepted or refused on a link, in words for operators.

    Visitors are told less. Nothing is written: no session is opened and nobody becomes a user.
    Ends with exit code 1 when it would be refused.
    """
    with desk.db.read() as session:
        found = find_link(desk, session, link)
    examiner = Examiner(
        db=desk.db,
        keys=desk.keys,
        configured=desk.configured_issuers,
        allow_private_jwks=desk.settings.identity.allow_private_jwks,
    )
    verdict = examiner.examine(found, token, desk.now)
    data = {"link": found.name, **_judged(verdict)}
    zone = desk.settings.zone
    evidence = verdict.evidence
    shown = {
        "why": verdict.reason,
        "code": data["code"],
        "issuer": data["issuer"],
        "subject": data["subject"],
        "uid": data["uid"],
        "user": "known" if data["is_known_user"] else "would be new" if evidence else None,
        "expires": local(evidence.expires_at, zone) if evidence else None,
        "session until": local(verdict.session_until, zone),
    }
    answer = "accepted" if verdict.refusal is None else "refused"
    said = f"{found.name} would say: {answer}."
    steps = table(
        ["step", "", "what was found"],
        [[step.name, step.outcome, step.said] for step in verdict.steps],
        empty="",
    )
    exit_code = 0 if verdict.refusal is None else 1
    return Report(data, [said, card(shown), "", steps], exit_code=exit_code)


@tokens.command("revoke", example="shareauth tokens revoke 17 --reason 'laptop lost'")
@click.argument("token", required=False, help="The token itself, or the id of a minted one.")
@click.option("--subject", help="Instead: every token and session of this user until now.")
@issuer_option
@click.option("--reason", help="Why, for the audit journal.")
@with_desk
def revoke(
    desk: Desk, *, token: str | None, subject: str | None, issuer: str | None, reason: str | None
) -> Report:
    """Take a token back; every worker refuses it at once.

    Also a JWT of another issuer, given as text. What was asked with it already is still billed.
    """
    if (token is None) == (subject is None):
        raise click.UsageError("Give either a token (or its id) or --subject.")
    with desk.change() as session:
        if subject is not None:
            user = find_user(session, subject, issuer)
            user_commands.revoke_tokens(
                session, user, actor=desk.actor, now=desk.now, reason=reason
            )
            data: dict[str, object] = {"revoked": "user", "uid": user.uid}
            sentence = f"Every token and session of {user.subject} until now is revoked."
        else:
            data = _revoke_one(desk, session, token or "", reason)
            sentence = "The token is revoked."
    return Report(data, [sentence])


def _revoke_one(desk: Desk, session: Session, token: str, reason: str | None) -> dict[str, object]:
    if token.isascii() and token.isdigit():
        row = store.get_token(session, int(token))
        commands.revoke(session, row, actor=desk.actor, now=desk.now, reason=reason)
        return {"revoked": "minted", "id": row.id}
    if len(token) < TOKEN_CHARS_MIN:
        raise Invalid(
            "this is neither a token nor the id of one; `shareauth tokens list` shows ids",
            code="token_invalid",
        )
    kind = commands.revoke_text(
        session, token, keys=desk.keys, actor=desk.actor, now=desk.now, reason=reason
    )
    return {"revoked": kind}


def _visitor(desk: Desk, session: Session, subject: str, issuer: str) -> User:
    """The user the token is for; a new subject of our own issuer becomes one."""
    try:
        return find_user(session, subject, issuer)
    except user_store.UserNotFound:
        if issuer != LOCAL:
            raise
    return visitor_urls.add_local(session, subject, keys=desk.keys, actor=desk.actor, now=desk.now)


def _judged(verdict: Verdict) -> dict[str, Any]:
    evidence, user = verdict.evidence, verdict.user
    return {
        "accepted": verdict.refusal is None,
        "code": verdict.refusal.code if verdict.refusal else "ok",
        "reason": verdict.reason,
        "issuer": evidence.issuer.name if evidence else None,
        "subject": evidence.subject if evidence else None,
        "uid": evidence.uid if evidence else None,
        "is_known_user": user is not None and user.id is not None,
        "issued_at": iso(evidence.issued_at) if evidence else None,
        "expires_at": iso(evidence.expires_at) if evidence else None,
        "session_until": iso(verdict.session_until),
        "steps": [
            {"step": step.name, "outcome": step.outcome, "said": step.said, "code": step.code}
            for step in verdict.steps
        ],
    }


def _owner(session: Session, token: Token) -> User:
    user = user_store.find_by_id(session, token.user_id)
    if user is None:  # a foreign key forbids it
        raise RuntimeError(f"token {token.id} has no user")
    return user


def _status(desk: Desk, token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= desk.now:
        return "expired"
    return "active"


def _described(token: Token, user: User, link: Link | None) -> dict[str, Any]:
    return {
        "id": token.id,
        "subject": user.subject,
        "uid": user.uid,
        "link": None if token.link_id is None or link is None else link.name,
        "is_one_time": token.is_one_time,
        "label": token.label,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "revoked_at": iso(token.revoked_at),
    }


def _placeholder_note(link: Link) -> list[str]:
    return [] if link.share_url else [NO_SHARE_URL.format(name=link.name)]
