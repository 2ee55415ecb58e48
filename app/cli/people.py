"""Finding the user a person means, for every command that takes a SUBJECT."""

from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from app.users import store
from app.users.models import User


def subject_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """SUBJECT and the option that says whose subject it is."""
    function = issuer_option(function)
    return click.argument(
        "subject", help="The user as the issuer names them, or the uid FastGPT knows."
    )(function)


def issuer_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--issuer",
        metavar="NAME",
        help="Whose subject it is; needed only where several issuers know the same one.",
    )(function)


def find_user(session: Session, subject: str, issuer: str | None) -> User:
    """The user of that subject or uid.

    Raises:
        UserNotFound: there is none.
        Conflict: several issuers know this subject.
    """
    return store.get_by_subject(session, subject, issuer_name=issuer)
