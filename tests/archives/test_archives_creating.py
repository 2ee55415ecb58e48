"""An archive has every line of its month, says so, and takes nothing away."""

import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from app.archives import files, parquet
from app.archives.creating import LinesUnsound, MonthOpen
from app.archives.files import ArchivePlaceTaken, ArchivePlaceUnwritable
from app.audit.models import AuditEntry
from app.metering.lines import store
from app.metering.models import UsageArchive

from archive_builders import JANUARY, NAME
from books import NANO


def test_file_has_the_lines_of_the_month_as_they_are(library):
    before = library.lines()
    (made,) = library.create()

    read = [line for page in parquet.read(library.directory / NAME) for line in page]
    assert read == library.lines(202601)
    assert len(read) == 5
    assert library.lines() == before
    assert (made.action, made.part, made.line_count) == ("created", 1, 5)


def test_amounts_are_amounts_for_whoever_reads_the_file(library):
    library.create()
    table = pq.read_table(library.directory / NAME)
    assert table.schema.field("charge").type == pa.decimal128(19, 9)
    assert sum(table["points"].to_pylist()) == 10
    assert table.column("charge").to_pylist()[0] * NANO == library.lines()[0]["charge"]


def test_manifest_stands_beside_the_file_and_in_the_database(library):
    (made,) = library.create()
    manifest = json.loads(files.manifest_place(library.directory / NAME).read_text())

    assert manifest == made.manifest
    assert {name: manifest[name] for name in ("rows", "events", "points", "charge")} == {
        "rows": 5,
        "events": 5,
        "points": "10",
        "charge": "5",
    }
    assert (manifest["month"], manifest["created_by"], manifest["schema"]) == (
        202601,
        "alice",
        "0001",
    )
    assert (manifest["input_tokens"], manifest["first_event"]) == (50, 1)
    files.check(library.directory / NAME, manifest)
    with library.db.read() as session:
        assert session.scalars(sa.select(UsageArchive)).one().manifest == manifest
        entry = session.scalars(sa.select(AuditEntry)).one()
    assert (entry.action, entry.object_id) == ("archives.created", NAME)


def test_month_that_is_archived_is_not_archived_again(library):
    assert [row.received_month for row in library.create(202603)] == [202601, 202602]
    assert library.create(202603) == []


def test_what_came_since_needs_another_archive_of_the_whole_month(library):
    library.create()
    library.settle("late", JANUARY)
    with pytest.raises(ArchivePlaceTaken):
        library.create()
    for path in library.directory.iterdir():
        path.unlink()
    (made,) = library.create()
    assert (made.part, made.line_count) == (1, 6)


def test_month_that_is_not_over_is_not_archived(library):
    with pytest.raises(MonthOpen):
        library.create(202612)
    assert [row.received_month for row in library.create(202611)] == [202601, 202602]


def test_lines_that_are_not_those_of_their_answers_are_not_put_away(library):
    library.corrupt("UPDATE usage_lines SET points = points + 1 WHERE event_id = 3")
    with pytest.raises(LinesUnsound):
        library.create()
    assert list(library.directory.iterdir()) == []
    with library.db.read() as session:
        assert store.list_archives(session) == []


def test_nothing_is_left_where_it_cannot_be_written(library):
    library.directory.rmdir()
    with pytest.raises(ArchivePlaceUnwritable):
        library.create()


def test_month_of_many_lines_is_written_and_read_in_pieces(library, monkeypatch):
    monkeypatch.setattr(store, "PAGE_ROWS", 2)
    monkeypatch.setattr(parquet, "ROWS_IN_GROUP", 4)
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 3)
    for number in range(8):
        library.settle(f"m{number}", JANUARY - timedelta(hours=number))
    library.create()
    place = library.directory / NAME
    with pq.ParquetFile(place) as file:
        assert file.num_row_groups == 4
    pages = list(parquet.read(place))
    assert max(map(len, pages)) == 3
    assert [line for page in pages for line in page] == library.lines(202601)
