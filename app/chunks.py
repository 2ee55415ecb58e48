"""Long results while the server is still making them.

The driver gives a result when all of it has arrived: the server works, and then we do. In libpq's
chunked mode rows come some hundred at a time, and the server is ahead of us by what the socket
holds. It has no cursor to be asked for more, as SQLAlchemy's ``stream_results`` has, but until the
last row has come the connection can be asked for nothing else.
"""

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

_ROWS_OPTION = "chunk_rows"
Row = tuple[Any, ...]


class Chunks:
    """The driver's own rows of a statement, at most ``size`` at a time.

    To be left by its block: what has not come by then is called off. With an older libpq than 17
    all rows come first; SQLite makes them when they are asked for.
    """

    def __init__(self, connection: Connection, statement: sa.Executable, size: int) -> None:
        self._size = size
        self._dialect = connection.dialect
        self._result = connection.execute(statement, execution_options={_ROWS_OPTION: size})
        begun: _Begun | None = getattr(self._result.context, "begun", None)
        self._stream = begun.stream if begun is not None else None
        self._rows = itertools.chain(begun.first, begun.stream) if begun is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def take(self) -> Sequence[Row]:
        """The next rows; none at the end.

        Raises:
            DBAPIError: as SQLAlchemy does; the server may go away in the middle.
        """
        driver: Any = self._dialect.loaded_dbapi
        try:
            if self._rows is not None:
                return list(itertools.islice(self._rows, self._size))
            return self._result.cursor.fetchmany(self._size)
        except driver.Error as error:
            raise DBAPIError.instance(
                None, None, error, driver.Error, dialect=self._dialect
            ) from error

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._result.close()


@dataclass(frozen=True, slots=True)
class _Begun:
    first: list[Row]
    stream: Generator[Row, None, None]


def watch(engine: Engine) -> None:
    """Let statements on this engine, of PostgreSQL, be read in chunks."""
    import psycopg  # noqa: PLC0415 - SQLite needs none, and it takes long to import

    if psycopg.capabilities.has_stream_chunked():
        event.listen(engine, "do_execute", _send)


def _send(
    cursor: Any,  # noqa: ANN401 - SQLAlchemy's
    statement: str,
    parameters: Any,  # noqa: ANN401
    context: Any,  # noqa: ANN401
) -> bool:
    size = context.execution_options.get(_ROWS_OPTION)
    if size is None:
        return False
    stream = cursor.stream(statement, parameters, size=size)
    # With a row at hand the driver knows the columns, and has said what is wrong with them.
    context.begun = _Begun(list(itertools.islice(stream, 1)), stream)
    return True
