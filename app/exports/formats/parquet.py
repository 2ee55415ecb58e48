"""Parquet: decimals as decimals, times as times, zstd; read by every tool for data.

pyarrow is large, so it is loaded when it is used.
"""

from collections.abc import Sequence
from typing import Any

from app.exports.columns import Batch, Column
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

ROWS_IN_GROUP = 50_000
ROWS_IN_FILE = 1_000_000
DIGITS, SCALE = 38, 9


class ParquetWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        import pyarrow as pa  # noqa: PLC0415 - see above
        import pyarrow.parquet as pq  # noqa: PLC0415 - see above

        # Arrow's own keeps 30 MB of what a group took, and is no quicker here.
        pa.set_memory_pool(pa.system_memory_pool())
        self._columns = sheet.table.columns
        self._schema = schema(self._columns)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(sink, mode="w"), self._schema, compression="zstd"
        )
        self._waiting: list[Any] = []
        self._rows = 0

    def begin(self) -> None:
        pass

    def write(self, batch: Batch) -> None:
        import pyarrow as pa  # noqa: PLC0415 - see above

        arrays = [
            _array(column, values)
            for column, values in zip(self._columns, batch.columns, strict=True)
        ]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += len(batch)
        while self._rows >= ROWS_IN_GROUP:
            self._write_group(ROWS_IN_GROUP)

    def end(self, tally: Tally) -> None:  # noqa: ARG002 - there is no place for it
        if self._rows:
            self._write_group(self._rows)
        self._writer.close()

    def drop(self) -> None:
        self._waiting.clear()
        self._writer.close()  # else it would do so when nobody expects it

    def _write_group(self, rows: int) -> None:
        import pyarrow as pa  # noqa: PLC0415 - see above

        table = pa.Table.from_batches(self._waiting)
        self._writer.write_table(table.slice(0, rows), row_group_size=ROWS_IN_GROUP)
        rest = table.slice(rows)
        self._waiting = rest.combine_chunks().to_batches()
        self._rows -= rows


def schema(columns: Sequence[Column]) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - see above

    types = {
        "text": pa.string(),
        "json": pa.string(),
        "integer": pa.int64(),
        "decimal": pa.decimal128(DIGITS, SCALE),
        "time": pa.timestamp("us", tz="UTC"),
        "flag": pa.bool_(),
    }
    return pa.schema([pa.field(column.name, types[column.kind]) for column in columns])


def _array(column: Column, values: Sequence[Any]) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - see above

    if column.kind == "decimal":
        # The same digits with another point: exact, and without a Decimal for each.
        whole = pa.array(values, pa.int64()).cast(pa.decimal128(DIGITS, 0))
        return whole.view(pa.decimal128(DIGITS, SCALE))
    if column.kind == "time":
        return pa.array(values, pa.string()).cast(pa.timestamp("us", tz="UTC"))
    if column.kind == "integer":
        return pa.array(values, pa.int64())
    return pa.array(values, pa.bool_() if column.kind == "flag" else pa.string())


FORMAT = Format(
    name="parquet",
    about="Parquet with decimals as decimals, a folder for each month.",
    suffix="parquet",
    media_type="application/vnd.apache.parquet",
    open=ParquetWriter,
    goes_on=False,
    rows_in_file=ROWS_IN_FILE,
)
