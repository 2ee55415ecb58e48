"""Signing in without a browser: name, password and code for a bearer token that lasts hours."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy.orm import Session

from app.admin import access
from app.admin.desk import Caller, Desk
from app.admin.resources import account
from app.admin.texts import check_storable
from app.audit.journal import Actor
from app.errors import Conflict, Forbidden
from app.operators import api_tokens, store
from app.operators.api_tokens import ApiTokenSpec
from app.operators.models import Operator, OperatorSession
from app.operators.roles import permissions_of
from app.operators.signin import SignInFailed

LASTS_MAX = timedelta(hours=12)
TOKEN_NAME = "sign-in"  # noqa: S105 - what the token is called in lists


class CodeRequired(SignInFailed):
    """The password is right, and a code of the second factor has to come with it."""

    code = "code_required"


class NotReady(Forbidden):
    """Something has to be done in the console first."""

    status = 403
    code = "sign_in_unfinished"


class Credentials(BaseModel):
    """What an operator signs in with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1000)]
    code: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    """Of the second factor, where it is on: six digits, or a recovery code."""


class BearerOut(BaseModel):
    """Send it as `Authorization: Bearer …`; it is shown this once."""

    token: str
    expires_at: datetime
    name: str
    role: str
    scopes: list[str]


def sign_in(desk: Desk, given: Credentials) -> BearerOut:
    """A token with all rights of the operator.

    The page's two steps in one, with all that guards them; the browser's session that they open is
    exchanged for a token at once.

    Raises:
        SignInFailed, SignInThrottled: as on the page.
        CodeRequired: the password is right, and the code is missing.
        NotReady: a first password was not changed, or a required second factor not set up.
    """
    password = given.password.get_secret_value()
    check_storable([given.name, password, given.code or ""])
    opened = account.sign_in(desk, access.client, given.name, password).session
    if not opened.is_complete:
        if given.code is None:
            _close(desk, opened.id)
            raise CodeRequired("a code of the second factor has to come with the password")
        half = _half_signed_in(desk, opened)
        opened = account.sign_in_with_code(half, access.client, given.code).session
    with desk.db.begin() as session:
        store.delete_session(session, opened.id)
        operator = store.get(session, opened.operator_id)
        problem = _unfinished(desk, operator)
        made = None if problem else _exchanged(session, desk, operator)
    if made is None:
        raise NotReady(f"{problem} in the console before signing in here")
    return made


def sign_out(desk: Desk) -> None:
    """End the token, or the browser's session, that this call came with.

    Raises:
        Conflict: an API token that was made for a program is revoked, not signed out
            (``not_a_sign_in``).
    """
    token_id = desk.caller.token_id
    if token_id is None:
        account.sign_out(desk)
        return
    with desk.db.begin() as session:
        token = store.get_token(session, token_id)
        if token.name != TOKEN_NAME:
            raise Conflict(
                "this token did not come from signing in: revoke it where it was made",
                code="not_a_sign_in",
            )
        api_tokens.revoke(session, token, actor=desk.actor, now=desk.now, reason="signed out")


def _half_signed_in(desk: Desk, opened: OperatorSession) -> Desk:
    """The desk of somebody whose password was right and whose code is judged next."""
    with desk.db.read() as session:
        operator = store.get(session, opened.operator_id)
        caller = Caller(
            operator_id=operator.id,
            name=operator.name,
            role=operator.role,
            permissions=frozenset(),
            link_ids=None,
            session_id=opened.id,
            is_complete=False,
        )
    return Desk(desk.runtime, caller, desk.now, address=desk.address)


def _close(desk: Desk, session_id: int) -> None:
    with desk.db.begin() as session:
        store.delete_session(session, session_id)


def _exchanged(session: Session, desk: Desk, operator: Operator) -> BearerOut:
    scopes = tuple(sorted(permissions_of(operator.role, link_ids=operator.link_ids)))
    total = timedelta(seconds=desk.settings.admin.session_max_age_s)
    expires_at = desk.now + min(total, LASTS_MAX)
    made = api_tokens.create(
        session,
        operator,
        ApiTokenSpec(name=TOKEN_NAME, scopes=scopes, expires_at=expires_at),
        keys=desk.keys,
        actor=Actor(operator.name, "api", desk.address),
        now=desk.now,
    )
    return BearerOut(
        token=made.token,
        expires_at=expires_at,
        name=operator.name,
        role=operator.role,
        scopes=list(scopes),
    )


def _unfinished(desk: Desk, operator: Operator) -> str | None:
    """What the pages ask for before anything else is asked for here as well."""
    if operator.must_change_password:
        return "change the first password"
    if desk.settings.admin.second_factor == "required" and operator.totp_confirmed_at is None:
        return "set the second factor up"
    return None
