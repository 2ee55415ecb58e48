"""Roles of PostgreSQL that may read the reporting views and nothing else."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.analytics import store
from app.audit import journal
from app.audit.journal import Actor
from app.errors import Conflict, Invalid

SCHEMA = "reporting_v1"
PERSONAL = frozenset({"people", "segments"})
"""Views that say who somebody is: only readers who are to know get them."""
STATEMENT_TIMEOUT_S = 300
"""A long query holds a table that a migration or the removal of a month waits for."""

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)


class OnlyPostgres(Conflict):
    """SQLite has no roles."""

    code = "only_postgresql"


@dataclass(frozen=True, slots=True)
class Reader:
    """``password`` is said once and kept nowhere here; None when the role kept its own."""

    name: str
    password: str | None
    views: tuple[str, ...]
    is_new: bool
    may_make_tables: bool
    """PostgreSQL before 15 lets everybody make tables of their own in the schema public."""


def create(
    session: Session,
    name: str,
    *,
    with_people: bool,
    new_password: bool,
    actor: Actor,
    now: datetime,
) -> Reader:
    """Make the role, or bring its rights up to those of this version.

    It may connect, and read the views of ``reporting_v1``; all that was given to it otherwise in
    this database is taken away. ``with_people`` adds the views of ``PERSONAL``.

    Raises:
        OnlyPostgres: the database is SQLite.
        Invalid: no role can be named so here (``name_invalid``).
        Conflict: a role of that name may do more than a reader (``role_taken``).
    """
    if session.get_bind().dialect.name != "postgresql":
        raise OnlyPostgres(
            "SQLite has no roles: whoever may read the file reads all of it. Give reporting tools "
            "a copy (`shareauth db backup`), or open it with mode=ro; docs/analytics.md says how"
        )
    if not _NAME.fullmatch(name) or name.startswith("pg_"):
        raise Invalid(
            "a reader's name has small letters, digits and _, and does not begin with pg_",
            code="name_invalid",
        )
    role = store.find_role(session, name)
    if role is not None and (role.is_powerful or role.owns_anything):
        raise Conflict(f"the role {name} is no reader: choose another name", code="role_taken")
    password = secrets.token_urlsafe(24) if role is None or new_password else None
    if role is None:
        store.create_role(session, name)
    if password is not None:
        store.set_password(session, name, password)
    views = [
        view for view in store.list_views(session, SCHEMA) if with_people or view not in PERSONAL
    ]
    store.revoke_all(session, name)
    store.grant_views(session, name, SCHEMA, views)
    store.set_defaults(session, name, SCHEMA, statement_timeout_s=STATEMENT_TIMEOUT_S)
    store.keep_partitioning_from_others(session)
    journal.record(
        session,
        actor=actor,
        action="reader.create" if role is None else "reader.update",
        subject=("reader", name),
        now=now,
        change=(None, {"views": views, "new_password": password is not None}),
    )
    return Reader(
        name=name,
        password=password,
        views=tuple(views),
        is_new=role is None,
        may_make_tables=store.may_make_tables(session, name),
    )
