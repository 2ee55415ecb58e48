"""Many rows in one statement: inserted, left where they are, or added to those that are there."""

import functools
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import Base

_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def execute_rows(
    session: Session, statement: sa.Executable, rows: list[dict[str, Any]]
) -> sa.Result[Any]:
    """Execute the statement for each of the rows, of which there is at least one.

    A single row goes as a plain statement: psycopg's way with many costs two round trips more.
    """
    return session.execute(statement, rows if len(rows) > 1 else rows[0])


def insert_ignoring(table: type[Base], session: Session, rows: list[dict[str, Any]]) -> int:
    """Insert the rows that clash with no unique key; returns how many went in."""
    if not rows:
        return 0
    session.flush()  # as any ORM statement would: the rows may refer to what is pending
    result = execute_rows(session, _ignoring(table, session.get_bind().dialect.name), rows)
    return int(getattr(result, "rowcount", 0))


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What becomes of columns that are not added up, of a stored row and a new one.

    The row whose ``newest`` column is greater gives its ``follow`` columns; where it says nothing
    (NULL) the stored value stays. Of ``least`` the lesser stays, unless the stored one is NULL.
    """

    newest: str | None = None
    follow: tuple[str, ...] = ()
    least: str | None = None


def upsert_adding(
    table: type[Base],
    session: Session,
    rows: list[dict[str, Any]],
    *,
    key: list[str],
    add: list[str],
    otherwise: Otherwise | None = None,
) -> None:
    """Insert each row, or add its ``add`` columns to those of the row with the same ``key``."""
    session.flush()
    if rows:
        statement = _adding(
            table,
            session.get_bind().dialect.name,
            tuple(key),
            tuple(add),
            otherwise or Otherwise(),
        )
        execute_rows(session, statement, rows)


def upsert_selected(
    table: type[Base],
    session: Session,
    rows: sa.Select[Any],
    given: dict[str, Any],
    *,
    key: list[str],
    add: list[str],
) -> None:
    """As ``upsert_adding``, of rows that are selected: the key's columns, then the others."""
    dialect = session.get_bind().dialect.name
    statement = _adding(table, dialect, tuple(key), tuple(add), Otherwise())
    session.execute(statement.from_select([*key, *add], rows), given)


# Statements are built once per table: building one costs as much as running it.
@functools.cache
def _ignoring(table: type[Base], dialect: str) -> Any:  # noqa: ANN401 - the two dialects' inserts share no type
    # Without the option psycopg's count of an INSERT is thrown away and reads as -1.
    statement = _INSERT[dialect](table.__table__).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


@functools.cache
def _adding(
    table: type[Base],
    dialect: str,
    key: tuple[str, ...],
    add: tuple[str, ...],
    otherwise: Otherwise,
) -> Any:  # noqa: ANN401 - the two dialects' inserts share no type
    statement = _INSERT[dialect](table.__table__)
    columns, new = table.__table__.c, statement.excluded
    changed = {name: columns[name] + new[name] for name in add}
    if otherwise.least is not None:
        stored, given = columns[otherwise.least], new[otherwise.least]
        changed[otherwise.least] = sa.case((given < stored, given), else_=stored)
    if otherwise.newest is not None:
        is_newer = new[otherwise.newest] >= columns[otherwise.newest]
        for name in (otherwise.newest, *otherwise.follow):
            kept = sa.func.coalesce(new[name], columns[name])
            changed[name] = sa.case((is_newer, kept), else_=columns[name])
    return statement.on_conflict_do_update(index_elements=key, set_=changed)
