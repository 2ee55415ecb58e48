"""Archives are read again, and whatever is not as it was is named."""

import shutil

import pytest
from app.archives import checking

from archive_builders import NAME, SPOILED


def codes(library) -> list[str]:
    return [finding.code for finding in checking.verify(library.db, library.directory)[1]]


@pytest.fixture
def removed(library):
    library.create(202603)
    library.remove()
    return library


def test_archives_that_are_what_they_were_have_no_findings(removed):
    assert checking.verify(removed.db, removed.directory) == (2, [])


@pytest.mark.parametrize("how", SPOILED)
def test_file_that_is_not_what_it_was_is_named(removed, how):
    SPOILED[how](removed.directory / NAME)
    assert len(codes(removed)) == 1
    assert codes(removed)[0] in {"archive_damaged", "archive_differs"}


def test_answers_that_were_changed_are_named(removed):
    removed.corrupt("UPDATE usage_events SET charge = charge + 1 WHERE id = 2")
    assert codes(removed) == ["archive_events_differ"]


def test_answer_that_is_missing_is_named(removed):
    removed.corrupt("UPDATE usage_events SET received_at = '2026-03-05 00:00:00' WHERE id = 2")
    assert codes(removed) == ["archive_events_differ"]


def test_file_that_nobody_knows_is_named(removed):
    shutil.copy(removed.directory / NAME, removed.directory / "usage-lines-2025-12.parquet")
    assert codes(removed) == ["archive_unknown"]


def test_answer_over_nothing_needs_no_lines(removed):
    """It may have none, and nobody could tell: it is in no digest."""
    removed.corrupt("DELETE FROM usage_lines WHERE points = 0 AND charge = 0")
    assert codes(removed) == []
