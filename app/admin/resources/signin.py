"""Signing in without a browser: name, password and code for a bearer token that lasts hours."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy.orm import Session

from app.admin import access
from app.admin.desk import Desk
from app.admin.resources import account
from app.admin.texts import check_storable
from app.audit.journal import Actor
from app.errors import Conflict, Forbidden
from app.operators import api_tokens, signin, store
from app.operators.api_tokens import ApiTokenSpec
from app.operators.models import Operator
from app.operators.roles import permissions_of
from app.operators.signin import SignInFailed

LASTS_MAX = timedelta(hours=12)
TOKEN_NAME = "sign-in"  # noqa: S105 - what the token is called in lists


class CodeRequired(SignInFailed):
    """The password is right, and a code of the second factor has to come with it."""

    code = "code_required"


class CodeWrong(SignInFailed):
    """The code of the second factor is wrong, or was used already."""

    code = "code_wrong"


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

    Raises:
        SignInFailed, SignInThrottled: as on the page; CodeRequired when the code is missing.
        NotReady: a first password was not changed, or a required second factor not set up.
    """
    password = given.password.get_secret_value()
    check_storable([given.name, password, given.code or ""])
    attempt = signin.Desk(
        desk.keys, access.client(desk.settings), access.lifetimes(desk.settings), desk.now
    )
    name = given.name.strip().lower()
    with desk.db.read() as session:
        attempt.check_throttle(session, name)
        attempt.check_throttle(session, _code_of(name))
    try:
        with desk.db.begin() as session:
            operator = attempt.prove_password(session, name, password)
            _check_code(attempt, operator, given.code)
            _check_ready(desk, operator)
            return _opened(session, desk, attempt, operator)
    except CodeRequired:
        raise
    except SignInFailed as failure:
        with desk.db.begin() as session:
            attempt.note_failure(
                session, _code_of(name) if isinstance(failure, CodeWrong) else name
            )
        raise


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


def _opened(session: Session, desk: Desk, attempt: signin.Desk, operator: Operator) -> BearerOut:
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
    attempt.note_success(session, operator, "api", {"method": "password", "token": made.row.id})
    return BearerOut(
        token=made.token,
        expires_at=expires_at,
        name=operator.name,
        role=operator.role,
        scopes=list(scopes),
    )


def _check_code(attempt: signin.Desk, operator: Operator, code: str | None) -> None:
    if operator.totp_confirmed_at is None:
        return
    if code is None:
        raise CodeRequired("a code of the second factor has to come with the password")
    if not attempt.take_code(operator, code):
        raise CodeWrong("the code is wrong or was used already")


def _check_ready(desk: Desk, operator: Operator) -> None:
    """What the pages ask for before anything else is asked for here as well."""
    if operator.must_change_password:
        raise NotReady("change the first password in the console before signing in here")
    if desk.settings.admin.second_factor == "required" and operator.totp_confirmed_at is None:
        raise NotReady("set the second factor up in the console before signing in here")


def _code_of(name: str) -> str:
    """What wrong codes are counted under, as the page counts them."""
    return f"code of {name}"
