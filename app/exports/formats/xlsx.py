"""A workbook in memory that does not grow: typed cells, totals, as many sheets as it takes.

Excel keeps 15 digits of a number. What has more (a balance of millions with nine decimals) is
written as text, exact and to the right, rather than rounded unseen. Times are UTC, to the
millisecond that Excel shows.
"""

import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from app.exports.columns import Batch, Column
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally
from app.money import NANO, format_nano

ROWS_MAX = 1_048_575
"""Of a sheet, below the heading."""
DIGITS_MAX = 15
TEXT_MAX = 32_767
"""Of a cell, by Excel's rule."""
CUT = "… [cut]"
CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - it is written without a zone, and always the same
_WIDTHS = {"text": 24, "integer": 12, "decimal": 18, "time": 24, "flag": 8, "json": 40}
_LARGE = 10**DIGITS_MAX

Put = Callable[[Any, int, int, Any], None]


class XlsxWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        import xlsxwriter  # noqa: PLC0415 - large, and most processes never write one

        self._sheet = sheet
        self._sink = sink
        self._columns = sheet.table.columns
        self._folder = tempfile.TemporaryDirectory(prefix="shareauth-xlsx-")
        self._place = Path(self._folder.name) / "book.xlsx"
        options = {
            "constant_memory": True,
            "tmpdir": self._folder.name,
            "strings_to_formulas": False,
            "strings_to_urls": False,
        }
        self._book = xlsxwriter.Workbook(str(self._place), options)
        self._book.set_properties({"created": CREATED, "title": sheet.table.name})
        self._heading = self._book.add_format({"bold": True, "bottom": 1})
        self._right = self._book.add_format({"align": "right"})
        self._total = self._book.add_format({"bold": True, "top": 1})
        self._puts = [self._put(column) for column in self._columns]
        self._pages = 0
        self._row = 0
        self._page: Any = None

    def begin(self) -> None:
        self._turn()

    def write(self, batch: Batch) -> None:
        puts = list(enumerate(self._puts))
        for values in batch.rows:
            if self._row > ROWS_MAX:
                self._turn()
            page, row = self._page, self._row
            for place, put in puts:
                if (value := values[place]) is not None:
                    put(page, row, place, value)
            self._row += 1

    def end(self, tally: Tally) -> None:
        self._write_totals(tally)
        self._finish_page()
        self._write_about(tally)
        self._book.close()
        with self._place.open("rb") as file:
            shutil.copyfileobj(file, self._sink)
        self._folder.cleanup()

    def drop(self) -> None:
        for page in self._book.worksheets():
            page.row_data_fh.close()  # closing the book would write all of it first
        self._folder.cleanup()

    def _turn(self) -> None:
        """Begin another sheet."""
        if self._page is not None:
            self._finish_page()
        self._pages += 1
        name = self._sheet.table.name
        self._page = self._book.add_worksheet(name if self._pages == 1 else f"{name} {self._pages}")
        self._page.freeze_panes(1, 0)
        for place, column in enumerate(self._columns):
            self._page.set_column(place, place, _WIDTHS[column.kind])
        for place, column in enumerate(self._columns):
            self._page.write_string(0, place, column.name, self._heading)
        self._row = 1

    def _finish_page(self) -> None:
        self._page.autofilter(0, 0, max(self._row - 1, 1), len(self._columns) - 1)

    def _write_totals(self, tally: Tally) -> None:
        """A row of sums below the last row of data, or on a sheet of its own if that is full."""
        if self._row > ROWS_MAX:
            self._turn()
        self._page.write_string(self._row, 0, "Total", self._total)
        for place, added in tally.raw_sums().items():
            self._number(self._columns[place], self._total)(self._page, self._row, place, added)

    def _write_about(self, tally: Tally) -> None:
        """What of the manifest is the same whenever the file is made again."""
        page = self._book.add_worksheet("About")
        page.set_column(0, 0, 24)
        page.set_column(1, 1, 80)
        told = [*self._sheet.about.items(), ("rows", str(tally.rows))]
        told += [(f"sum of {name}", added) for name, added in tally.sums().items()]
        told.append(("content_sha256", tally.content_sha256))
        for row, (name, value) in enumerate(told):
            page.write_string(row, 0, str(name), self._heading)
            page.write_string(row, 1, str(value))

    def _put(self, column: Column) -> Put:
        if column.kind in {"integer", "decimal"}:
            number_format = "0" if column.kind == "integer" else "0.#########"
            return self._number(column, self._book.add_format({"num_format": number_format}))
        if column.kind == "time":
            shown = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})

            def put_time(page: Any, row: int, place: int, value: str) -> None:  # noqa: ANN401
                page.write_datetime(row, place, datetime.fromisoformat(value[:-1]), shown)

            return put_time
        if column.kind == "flag":
            return lambda page, row, place, value: page.write_boolean(row, place, value)
        return _put_text

    def _number(self, column: Column, shown: Any) -> Put:  # noqa: ANN401 - xlsxwriter's
        is_decimal = column.kind == "decimal"

        def put(page: Any, row: int, place: int, value: int) -> None:  # noqa: ANN401
            if -_LARGE < value < _LARGE:
                page.write_number(row, place, value / NANO if is_decimal else value, shown)
                return
            text = format_nano(value) if is_decimal else str(value)
            if sum(map(str.isdigit, text)) <= DIGITS_MAX:
                page.write_number(row, place, float(text), shown)
            else:
                page.write_string(row, place, text, self._right)

        return put


def _put_text(page: Any, row: int, place: int, value: str) -> None:  # noqa: ANN401 - xlsxwriter's
    text = value if len(value) <= TEXT_MAX else value[: TEXT_MAX - len(CUT)] + CUT
    page.write_string(row, place, text)


FORMAT = Format(
    name="xlsx",
    about="Excel: typed cells, totals, a sheet that says what it is.",
    suffix="xlsx",
    media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    open=XlsxWriter,
    goes_on=False,
    page_rows=1000,
)
