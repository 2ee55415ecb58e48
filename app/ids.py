"""Rows of these ids, however many there are: the same statement each time, with one parameter.

``IN`` has a parameter for each. Of two hundred, making the text of the statement and reading it in
the driver take longer than the database does.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class _Ids(sa.types.TypeDecorator[list[int]]):
    """An array on PostgreSQL, a JSON array as text on SQLite.

    A text that PostgreSQL had to make an array of would be read anew for each row it filters.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(sa.Text() if is_sqlite else ARRAY(sa.BigInteger()))

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:  # noqa: ANN401 - of each
        return f"[{','.join(map(str, value or ()))}]" if dialect.name == "sqlite" else value


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
    column, ids = _parts(element, compiler, options)
    return f"({column} = ANY ({'ARRAY' if _is_found(element) else ''}{ids}))"


@compiles(_Among, "sqlite")
def _in_list(element: _Among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    column, ids = _parts(element, compiler, options)
    found = ids if _is_found(element) else f"(SELECT value FROM json_each({ids}))"  # noqa: S608 - a parameter
    return f"({column} IN {found})"


def _parts(element: _Among, compiler: SQLCompiler, options: dict[str, Any]) -> list[str]:
    return [compiler.process(part, **options) for part in element.clauses]


def _is_found(element: _Among) -> bool:
    return isinstance(list(element.clauses)[1], sa.ScalarSelect)


def among(column: Any, ids: Collection[int] | sa.Select[int]) -> sa.ColumnElement[bool]:  # noqa: ANN401 - SQLAlchemy's
    """That the column is one of these ids, or of those that are selected.

    PostgreSQL finds the selected ones first and then goes through its index once, where a join
    goes down to it anew for each.
    """
    if isinstance(ids, sa.Select):
        return _Among(column, ids.scalar_subquery())
    return _Among(column, sa.literal(sorted(ids), _Ids()))
