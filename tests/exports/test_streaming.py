"""Files that leave as they are made: the bytes of the same export by a job."""

import pytest
from app.exports import reading, streaming
from app.exports.catalogue import TABLES
from app.exports.formats import registry
from app.exports.formats.xlsx import XlsxWriter
from app.exports.streaming import ExportTooLarge

from export_builders import export, fill, order


@pytest.fixture
def books(db, now):
    fill(db, now)
    return db


def streamed(books, asked):
    return b"".join(streaming.stream(books, reading.prepare(books, asked), lambda _: {}))


@pytest.mark.parametrize("form", sorted(registry.FORMATS))
def test_what_is_streamed_has_the_bytes_of_a_job(books, tmp_path, form):
    asked = order("events", form)
    (file,) = export(books, asked, tmp_path)["files"]
    assert file["rows"] > 0
    assert streamed(books, asked) == (tmp_path / file["name"]).read_bytes()


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_is_streamed(books, tmp_path, table):
    asked = order(table, "csv", gzip=True)
    (file,) = export(books, asked, tmp_path)["files"]
    assert streamed(books, asked) == (tmp_path / file["name"]).read_bytes()


def test_a_large_workbook_is_refused_before_any_cell_is_written(books, monkeypatch):
    asked = order("events", "xlsx")
    rows = streamed(books, order("events")).count(b"\r\n") - 1
    monkeypatch.setattr(streaming, "WORKBOOK_ROWS_MAX", rows)
    assert streamed(books, asked)
    monkeypatch.setattr(streaming, "WORKBOOK_ROWS_MAX", rows - 1)
    monkeypatch.setattr(XlsxWriter, "begin", lambda _: pytest.fail("it began"))
    with pytest.raises(ExportTooLarge, match="in the background"):
        streamed(books, asked)
