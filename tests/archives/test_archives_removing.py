"""Lines leave the database when they are proven to lie elsewhere, and the books stay right."""

import json
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.archives import removing
from app.archives.parquet import ArchiveDamaged
from app.archives.removing import ArchiveUnknown, MonthKept, NotArchived
from app.audit.models import AuditEntry
from app.db import DatabaseBusy
from app.metering.lines import store
from app.metering.models import UsageEvent
from app.statements import proof
from app.statements.statement import load_statement

from archive_builders import FEBRUARY, JANUARY, NAME, SPOILED, flip


@pytest.fixture
def removed(library):
    library.create()
    library.remove()
    return library


def usages(library) -> dict[int, object]:
    entries = [
        entry
        for user_id in library.stage.user_ids
        for entry in load_statement(library.db, user_id=user_id).entries
    ]
    return {entry.at.timestamp(): entry.usage for entry in entries}


def test_lines_are_gone_and_the_books_are_right(removed):
    assert removed.lines(202601) == []
    assert len(removed.lines()) == 3
    assert removed.stage.findings() == []
    with removed.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UsageEvent)) == 8
        if removed.db.dialect == "postgresql":
            left = session.scalar(sa.text("SELECT to_regclass('usage_lines_202601')"))
            assert left is None
        entries = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == ["archives.created", "archives.removed"]


def test_statement_names_the_archive_that_has_the_models(removed):
    found = usages(removed)
    gone, there = found[JANUARY.timestamp()], found[FEBRUARY.timestamp()]
    assert (gone.lines_in, gone.models) == (NAME, ())
    assert (there.lines_in, there.models) == (None, ("gpt-4o",))


def test_proof_holds_without_the_lines(removed, tmp_path):
    written = proof.export(removed.db, tmp_path / "proof", software="test", now=removed.stage.now)
    check = [sys.executable, written.place / "check.py", written.place]
    assert subprocess.run(check, check=False).returncode == 0

    place = written.place / "events.jsonl"
    events = [json.loads(line) for line in place.read_text().splitlines()]
    assert {event["archive"] for event in events} == {NAME, None}
    assert written.manifest["archives"][NAME]["sha256"]


@pytest.mark.parametrize("places", [("points", -1, 1), ("points", 1, 0)])
def test_proof_with_other_points_in_an_archived_answer_is_wrong(removed, tmp_path, places):
    """Also when the sum of all is as it was."""
    what, first, second = places
    removed.corrupt(f"UPDATE usage_events SET {what} = {what} + {first} WHERE id = 4")
    removed.corrupt(f"UPDATE usage_events SET {what} = {what} + {second} WHERE id = 5")
    written = proof.export(removed.db, tmp_path / "proof", software="test", now=removed.stage.now)
    check = [sys.executable, written.place / "check.py", written.place]
    done = subprocess.run(check, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "wrong: answers whose lines lie in archives\n",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_events SET points = points + 1 WHERE id = 4",
        "UPDATE usage_events SET points = points - 9 + 2 * id WHERE id IN (4, 5)",
    ],
)
def test_changed_answer_of_an_archived_month_is_found(removed, statement):
    removed.corrupt(statement)
    assert "archive_differs" in removed.stage.findings()
    assert "lines_differ" not in removed.stage.findings()


def test_answer_of_another_month_still_needs_its_lines(removed):
    removed.corrupt("DELETE FROM usage_lines WHERE received_month = 202602")
    assert removed.stage.findings() == ["lines_differ"] * 2


def test_what_comes_late_is_a_part_of_its_own(removed):
    late = removed.settle("late", JANUARY)
    assert not late.is_replay
    assert removed.stage.findings() == []
    assert len(removed.lines(202601)) == 1
    assert removed.settle("j0", JANUARY, points=0).is_replay

    (made,) = removed.create()
    assert (made.part, made.line_count, made.manifest["file"]) == (
        2,
        1,
        "usage-lines-2026-01-part2.parquet",
    )
    (gone,) = removed.remove()
    assert (gone.part, removed.lines(202601)) == (2, [])
    assert removed.stage.findings() == []
    assert (removed.create(), removed.remove()) == ([], [])


def test_lines_that_came_after_the_archive_keep_the_month(library):
    library.create()
    library.settle("late", JANUARY)
    with pytest.raises(NotArchived):
        library.remove()
    assert len(library.lines(202601)) == 6


def test_changed_lines_keep_the_month(library):
    library.create()
    library.corrupt("UPDATE usage_lines SET model = 'another' WHERE event_id = 2")
    with pytest.raises(NotArchived):
        library.remove()
    assert len(library.lines(202601)) == 5


@pytest.mark.parametrize("how", SPOILED)
def test_file_that_is_not_what_it_was_keeps_the_month(library, how):
    library.create()
    SPOILED[how](library.directory / NAME)
    with pytest.raises(ArchiveDamaged):
        library.remove()
    assert len(library.lines(202601)) == 5


def test_months_that_the_settings_keep_are_kept(library, now):
    library.create(202603)
    with pytest.raises(MonthKept):
        library.remove(before=202603, oldest_kept=202602)
    assert len(library.lines()) == 8
    assert [row.received_month for row in library.remove(202602, 202602)] == [202601]


def test_oldest_month_kept_counts_whole_months(now):
    assert removing.months_to_keep(now, 1) == 202610
    assert removing.months_to_keep(now, 12) == 202511
    with pytest.raises(MonthKept):
        removing.months_to_keep(now, 0)


def test_month_that_was_not_archived_is_left_alone(library):
    assert library.remove() == []
    assert len(library.lines(202601)) == 5


def test_nobody_else_may_delete_lines_of_a_month_that_is_archived(library):
    library.create()
    for statement in ("DELETE FROM usage_lines", "DELETE FROM usage_lines WHERE event_id = 1"):
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            library.db.begin() as session,
        ):
            session.execute(sa.text(statement))


def test_nobody_may_delete_what_came_after_the_removal(removed):
    removed.settle("late", JANUARY)
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        removed.db.begin() as session,
    ):
        session.execute(sa.text("DELETE FROM usage_lines WHERE received_month = 202601"))


def test_removal_that_was_killed_is_right_at_every_step_and_goes_on(library, monkeypatch):
    if library.db.dialect != "sqlite":
        return
    library.create()
    delete, steps = store.delete_some, []

    def delete_and_die(*args, **options) -> int:
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(delete(*args, **options))
        return steps[-1]

    monkeypatch.setattr(store, "DELETED_AT_ONCE", 1)
    monkeypatch.setattr(store, "delete_some", delete_and_die)
    with pytest.raises(KeyboardInterrupt):
        library.remove()
    assert len(library.lines(202601)) == 3
    assert library.stage.findings() == []

    monkeypatch.setattr(store, "delete_some", delete)
    assert library.remove() == []
    assert library.lines(202601) == []
    assert library.stage.findings() == []


def test_month_that_somebody_reads_is_kept_rather_than_making_finishes_wait(
    library, monkeypatch, now
):
    if library.db.dialect == "sqlite":
        return  # readers are in nobody's way there
    monkeypatch.setattr(store, "LOCK_TIMEOUT_MS", 100)
    library.create()
    with library.db.read() as session:
        session.execute(sa.text("SELECT count(*) FROM usage_lines"))
        with pytest.raises(DatabaseBusy):
            library.remove()
        assert not library.settle("meanwhile", now).is_replay
    assert len(library.lines(202601)) == 5
    assert [row.action for row in library.remove()] == ["removed"]
    assert library.stage.findings() == []


def test_restored_lines_are_as_they_were(library):
    before = library.lines()
    library.create()
    library.remove()
    restored = library.restore(NAME)

    assert (restored.action, library.lines()) == ("restored", before)
    assert library.stage.findings() == []
    assert usages(library)[JANUARY.timestamp()].models == ("gpt-4o",)
    with pytest.raises(ArchiveUnknown):
        library.restore(NAME)


def test_restored_lines_are_append_only_and_may_be_removed_again(removed):
    removed.restore(NAME)
    for verb in ("DELETE FROM", "TRUNCATE"):
        if verb == "TRUNCATE" and removed.db.dialect == "sqlite":
            continue
        name = "usage_lines_202601" if removed.db.dialect == "postgresql" else "usage_lines"
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            removed.db.begin() as session,
        ):
            session.execute(sa.text(f"{verb} {name}"))
    assert [row.action for row in removed.remove()] == ["removed"]
    assert removed.lines(202601) == []
    assert removed.stage.findings() == []


def test_restore_of_another_file_is_refused(removed):
    flip(removed.directory / NAME)
    with pytest.raises(ArchiveDamaged):
        removed.restore(NAME)
    assert removed.lines(202601) == []


def test_months_leave_while_finishes_are_written(library):
    """Some of them of the very months, from a spool: whatever happens, none is lost."""
    library.create(202603)
    stop, written, refused = threading.Event(), [], []

    def write() -> None:
        while not stop.is_set():
            name = f"w{len(written)}"
            at = JANUARY if len(written) % 5 == 4 else library.stage.now
            library.settle(name, at - timedelta(seconds=len(written)))
            written.append(name)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            try:
                library.remove(202603)
            except NotArchived as late:
                refused.append(late)
                for path in library.directory.iterdir():
                    path.unlink()
                library.create(202603)
    finally:
        stop.set()
        writer.join()
    assert library.stage.findings() == []
    with library.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UsageEvent)) == 8 + len(
            written
        )
    assert all(library.settle(name, library.stage.now).is_replay for name in written[:3])
