"""Rows of these ids, however many there are: the same statement each time, with one parameter.

``IN`` has a parameter for each. Of two hundred, making the text of the statement and reading it in
the driver take longer than the database does.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class _Ids(sa.types.TypeDecorator[list[int]]):
    """Ids as one text: an array's on PostgreSQL, a JSON array on SQLite."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> str:
        begin, end = "[]" if dialect.name == "sqlite" else "{}"
        return f"{begin}{','.join(map(str, value or ()))}{end}"


class _Among(GenericFunction[bool]):
    """Whether the first is one of the second: see ``among``."""

    type = sa.Boolean()
    inherit_cache = True
    name = "among"

    def self_group(self, against: Any = None) -> Any:  # noqa: ANN401, ARG002 - SQLAlchemy's
        # Else it is compared with 1 where there are no booleans, and no index is used for it.
        return self


@compiles(_Among)
def _any_of_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    column, ids = (compiler.process(part, **options) for part in element.clauses)
    return f"({column} = ANY (CAST({ids} AS BIGINT[])))"


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    column, ids = (compiler.process(part, **options) for part in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({ids})))"  # noqa: S608 - a column and a parameter


def among(column: Any, ids: Collection[int]) -> sa.ColumnElement[bool]:  # noqa: ANN401 - SQLAlchemy's
    """That the column is one of these."""
    return _Among(column, sa.literal(sorted(ids), _Ids()))
