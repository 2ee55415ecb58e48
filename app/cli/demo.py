"""What the first start of the embedded set-up makes, so that there is something to try."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.cli.session import Desk
from app.funding import changes
from app.funding.changes import Change
from app.links import commands as link_commands
from app.links import store as link_store
from app.links.commands import ACTIVE, LinkSpec
from app.money import to_nano
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.commands import MintSpec
from app.tokens.issuers import LOCAL
from app.users import commands as user_commands
from app.users import store as user_store
from app.users.commands import UserSpec
from app.users.models import User

NAME = "demo"
"""Of the link, and the subject of the user."""
TOKEN_TTL_S = 30 * 86400


@dataclass(frozen=True, slots=True)
class Demo:
    """What can be tried now. ``token`` is None after the first start: it is shown once."""

    link_key: str
    token: str | None


def find_or_make(desk: Desk) -> Demo | None:
    """The demo link, made on the first start; None where there must be none, or it was removed.

    Nothing is made in production, when the settings say so, or when the operator has links of
    their own already.
    """
    with desk.db.read() as session:
        existing = _find(desk, session)
        has_links = bool(link_store.list_all(session))
    wanted = desk.settings.demo.enabled and not desk.settings.is_production
    if existing or has_links or not wanted:
        return existing
    return _make(desk)


def _find(desk: Desk, session: Session) -> Demo | None:
    link = link_store.find_by_name(session, NAME)
    if link is None or link.status != ACTIVE:
        return None
    if not link_store.list_live_keys(session, link.id, desk.now):
        return None
    return Demo(link_commands.show_key(session, link, keys=desk.keys, now=desk.now), None)


def _make(desk: Desk) -> Demo:
    """The link comes last: a start that was cut short before it begins again."""
    with desk.change() as session:
        user_id = _ensure_user(desk, session).id
    credit = to_nano(desk.settings.demo.credit)
    if credit:
        change = Change(
            user_id=user_id,
            amount=credit,
            currency=desk.settings.billing.currency,
            reason="demo credit of the first start",
            idempotency_key="demo:credit",
        )
        changes.top_up(desk.db, change, actor=desk.actor, now=desk.now)
    with desk.change() as session:
        created = link_commands.create(
            session, LinkSpec(name=NAME), keys=desk.keys, actor=desk.actor, now=desk.now
        )
        minted = token_commands.mint(
            session,
            MintSpec(user_id=user_id, link_id=created.link.id, ttl_s=TOKEN_TTL_S, label=NAME),
            keys=desk.keys,
            actor=desk.actor,
            now=desk.now,
        )
        return Demo(created.key, minted.text)


def _ensure_user(desk: Desk, session: Session) -> User:
    issuer = token_store.get_issuer(session, LOCAL)
    known = user_store.find(session, issuer.id, NAME)
    if known is not None:
        return known
    spec = UserSpec(issuer_id=issuer.id, subject=NAME, name="Demo visitor")
    return user_commands.create(
        session, spec, uid=desk.keys.uid(LOCAL, NAME), actor=desk.actor, now=desk.now
    )
