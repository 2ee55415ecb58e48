"""Usage lines as Parquet: what stands in each column, written and read in bounded memory.

Amounts are decimal128(19, 9): whoever reads them sees 0.0125 and no number of nano-units, and all
that a BIGINT of nano-units holds fits exactly. pyarrow is large, so it is loaded when it is used.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.archives.tally import COLUMNS, TOKENS
from app.errors import Invalid

ROWS_IN_GROUP = 50_000
ROWS_AT_ONCE = 2000
AMOUNTS = ("points", "charge")
_DIGITS, _SCALE = 19, 9


class ArchiveDamaged(Invalid):
    """A file is no Parquet file of usage lines, or cannot be read to its end."""

    code = "archive_damaged"


def write(path: Path, pages: Iterable[Sequence[Mapping[str, Any]]]) -> None:
    """Write the lines into a new file, a row group at a time; the caller syncs it."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    schema = _schema()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(pages):
            writer.write_table(_table(group, schema), row_group_size=ROWS_IN_GROUP)


def read(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The lines of a file in their order, in pages, with amounts in nano-units.

    Raises:
        ArchiveDamaged: it cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(_schema()):
                raise ArchiveDamaged(f"{path} has other columns than an archive of usage lines")
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                yield _rows(batch)
    except (pa.ArrowException, OSError) as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}") from error


def _schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - see above

    types = {
        "position": pa.int32(),
        "received_month": pa.int32(),
        "model": pa.string(),
        "node_kind": pa.string(),
        "is_covered": pa.bool_(),
        **dict.fromkeys(AMOUNTS, pa.decimal128(_DIGITS, _SCALE)),
    }
    return pa.schema(
        [pa.field(name, types.get(name, pa.int64()), nullable=name in TOKENS) for name in COLUMNS]
    )


def _groups(pages: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    for page in pages:
        group += page
        if len(group) >= ROWS_IN_GROUP:
            yield group
            group = []
    if group:
        yield group


def _table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - see above

    columns = []
    for column in schema:
        values = [row[column.name] for row in rows]
        if column.name in AMOUNTS:
            # The same digits with another point: exact, and without a Decimal for each.
            whole = pa.array(values, pa.int64()).cast(pa.decimal128(_DIGITS, 0))
            columns.append(whole.view(column.type))
        else:
            columns.append(pa.array(values, column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _rows(batch: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - see above

    columns = []
    for name in COLUMNS:
        column = batch.column(name)
        if name in AMOUNTS:
            column = column.view(pa.decimal128(_DIGITS, 0)).cast(pa.int64())
        columns.append(column.to_pylist())
    return [dict(zip(COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)]
