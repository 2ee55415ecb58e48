"""An export that is interrupted, wherever, and gone on with, equals one that was not."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from app.exports import archived, reading, writing
from app.exports.files import PARTIAL, ExportPlaceTaken
from app.exports.formats import parquet, registry
from app.exports.scope import Scope
from app.exports.walk import store as walk_store
from app.exports.writing import How
from app.periods import Period
from app.reports.explore import LinesGone

from archive_builders import JANUARY, Library
from export_builders import (
    SINCE,
    UNTIL,
    events_of,
    export,
    fill,
    narrowed,
    order,
    read_back,
    two_months,
)
from turn_builders import Stage


class Killed(BaseException):
    """As a process ends."""


@pytest.fixture
def books(db, now):
    fill(db, now, number=30)
    return db


def interrupted(books, asked, folder, *, runs=40):
    """The manifest, after it was killed after each page; what was noted goes through JSON."""
    noted = [None]

    def note(step):
        noted[0] = None if step.saved is None else json.loads(json.dumps(step.saved))
        raise Killed

    for run in range(1, runs):
        how = How(saved=noted[0], note=note, note_pages=1, page=4, replaces=True)
        try:
            return writing.write(books, asked, folder, lambda _: {}, how), run
        except Killed:
            for partial in folder.rglob(f".*{PARTIAL}"):  # what was not on the disk yet
                with partial.open("ab") as file:
                    file.write(b"torn")
    raise AssertionError("it never ends")


@pytest.mark.parametrize("form", ["csv", "jsonl", "focus", "cloudevents"])
def test_interrupted_equals_uninterrupted(books, tmp_path, form):
    asked = reading.prepare(books, order("events", form, gzip=form == "csv"))
    made = writing.write(books, asked, tmp_path / "whole", lambda _: {}, How(page=4))
    again, runs = interrupted(books, asked, tmp_path / "torn")
    assert runs > 2
    assert again == made
    (name,) = (file["name"] for file in made["files"])
    assert (tmp_path / "torn" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "torn").rglob(f".*{PARTIAL}"))
    with pytest.raises(ExportPlaceTaken):
        writing.write(books, asked, tmp_path / "torn", lambda _: {})


def test_parquet_goes_on_with_the_next_file(books, tmp_path, monkeypatch):
    small = replace(parquet.FORMAT, rows_in_file=8)
    monkeypatch.setitem(registry.FORMATS, "parquet", small)
    asked = reading.prepare(books, two_months("events", "parquet"))
    made = writing.write(books, asked, tmp_path / "whole", lambda _: {}, How(page=4))
    assert len(made["files"]) > 2
    noted, seen = [], []

    def note(step):
        seen.append(step.rows)
        if step.saved is not None and len(noted) < 2:
            noted.append(step.saved)
            raise Killed

    saved = None
    for _ in range(3):
        how = How(saved=saved, note=note, note_pages=1, page=4, replaces=True)
        try:
            again = writing.write(books, asked, tmp_path / "torn", lambda _: {}, how)
        except Killed:
            saved = noted[-1]
    assert again == made
    assert len(noted) == 2


@pytest.mark.parametrize("size", [1, 3])
def test_however_many_rows_are_taken_at_once_the_bytes_are_the_same(
    books, tmp_path, monkeypatch, size
):
    asked = reading.prepare(books, two_months("events", "csv"))
    made = writing.write(books, asked, tmp_path / "whole", lambda _: {}, How(page=7))
    monkeypatch.setattr(walk_store, "PIECE", size)
    again = writing.write(books, asked, tmp_path / "parted", lambda _: {}, How(page=7))
    assert again == made


@pytest.mark.parametrize("other", [{}, {"made_as": ["shareauth-export/1", "reference"]}])
def test_what_another_version_noted_is_begun_anew(books, tmp_path, other):
    asked = reading.prepare(books, order("events"))
    made = writing.write(books, asked, tmp_path / "whole", lambda _: {})
    noted = []

    def note(step):
        noted.append(step.saved)
        raise Killed

    how = How(note=note, note_pages=1, page=4)
    with pytest.raises(Killed):
        writing.write(books, asked, tmp_path / "torn", lambda _: {}, how)
    saved = {name: value for name, value in noted[0].items() if name != "made_as"} | other
    how = How(saved=saved, replaces=True)
    assert writing.write(books, asked, tmp_path / "torn", lambda _: {}, how) == made


def test_archived_lines_are_read_from_their_archive(db, tmp_path, now):
    directory = tmp_path / "archives"
    directory.mkdir()
    library = Library(Stage(db, now), directory)
    for name in ("a", "b", "c"):
        library.settle(name, JANUARY)
    scope = Scope(Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)))
    before = export(db, order("lines", scope=scope), tmp_path / "before")
    library.create()
    library.remove()
    asked = reading.prepare(db, order("lines", scope=scope))
    with pytest.raises(LinesGone):
        reading.needed_archives(db, asked, None)
    archives = archived.open_archives(db, asked.scope, directory)
    after = writing.write(db, asked, tmp_path / "after", archives)
    assert before["rows"] == 3
    assert after["files"] == before["files"]


def test_links_that_are_not_theirs_are_left_out(books, tmp_path):
    asked = narrowed(order("events"), link_ids=frozenset({2}))
    rows = read_back(tmp_path, export(books, asked, tmp_path))
    theirs = [e["reference"] for e in events_of(books, SINCE, UNTIL) if e["link"] == "two"]
    assert [row["reference"] for row in rows] == theirs
