"""The spool of a machine: many writers, one drain, nothing lost, nothing readable, never full."""

import os
import resource
import subprocess
import sys
from datetime import timedelta

import pytest
from app.keys import Keys, SealBroken
from app.spool import batch as batches
from app.spool import segments
from app.spool.record import Record
from app.spool.spool import Spool, SpoolFull, SpoolUnusable
from structlog.testing import capture_logs

SECRET = "a secret that is only good for tests, 32+"
SECOND = timedelta(seconds=1)
APPENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from app.keys import Keys
from app.spool.record import Record
from app.spool.spool import Spool
spool = Spool(Path(sys.argv[1]), keys=Keys(sys.argv[2]), bytes_max=10**9)
for number in range(int(sys.argv[4])):
    now = datetime.now(UTC)
    finish = Record(f"{sys.argv[3]}{number:04}", now, "key", None, b"x" * int(sys.argv[5]))
    spool.append(finish, lane="known", now=now)
    print(finish.reference, flush=True)
"""


@pytest.fixture
def events():
    return []


@pytest.fixture
def make(tmp_path, keys, events):
    made = []

    def spool(**changes) -> Spool:
        settings = {"keys": keys, "bytes_max": 10**8, "on_event": events.append} | changes
        made.append(Spool(tmp_path / "spool", **settings))
        return made[-1]

    yield spool
    for one in made:
        one.close()


@pytest.fixture
def spool(make) -> Spool:
    return make()


def finish(reference: str, at, body: bytes = b'{"token":"sat_secret_token"}') -> Record:
    return Record(reference, at, "a-link-key", None, body)


def fill(spool, now, *references, lane="known"):
    for number, reference in enumerate(references):
        spool.append(finish(reference, now + number * SECOND), lane=lane, now=now)


def flood(spool, now, lane):
    for number in range(100):
        spool.append(finish(f"f{number}", now, os.urandom(300)), lane=lane, now=now)


def references(spool, entries) -> list[str]:
    return [spool.open(entry.read_payload()).reference for entry in entries]


def drained(spool) -> list[str]:
    with spool.drain() as batch:
        for entry in batch.entries:
            batch.done(entry)
        return references(spool, batch.entries)


def start_appender(directory, name, count, size=100, **options):
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, directory, SECRET, name, str(count), str(size)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_finishes_come_back_in_order_of_arrival_once(spool, now):
    spool.append(finish("late", now + SECOND), lane="known", now=now)
    spool.append(finish("middle", now), lane="unproven", now=now)
    spool.append(finish("early", now - SECOND), lane="known", now=now)
    assert not spool.is_empty()
    assert drained(spool) == ["early", "middle", "late"]
    assert spool.is_empty()
    assert drained(spool) == []
    assert [p.name for p in spool.directory.iterdir() if p.suffix] == ["drain.lock"]


def test_nothing_on_the_disk_can_be_read(spool, now):
    fill(spool, now, "one")
    written = b"".join(p.read_bytes() for p in spool.directory.rglob("*") if p.is_file())
    assert written
    for secret in (b"sat_secret_token", b"a-link-key", b"token"):
        assert secret not in written


def test_several_processes_append_at_once_while_another_drains(spool, keys, tmp_path):
    spool.prepare()
    writers = [start_appender(spool.directory, name, 100) for name in "abcd"]
    taken: list[str] = []
    while any(one.poll() is None for one in writers):
        taken += drained(spool)
    taken += drained(spool)
    answered = [line for one in writers for line in one.communicate()[0].split()]
    assert [one.returncode for one in writers] == [0] * 4
    assert len(answered) == 400
    assert sorted(taken) == sorted(answered)


def test_killed_writer_loses_nothing_that_it_reported(spool):
    process = start_appender(spool.directory, "k", 10**6)
    reported = [process.stdout.readline().strip() for _ in range(30)]
    process.kill()
    reported += process.communicate()[0].split()
    assert set(reported[:-1]) <= set(drained(spool))


def test_full_disk_is_an_honest_failure_that_leaves_the_spool_whole(spool):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    # Python ignores SIGXFSZ: a write beyond the limit is refused as on a full disk.
    process = start_appender(spool.directory, "f", 100, preexec_fn=small_files)
    out, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "SpoolUnusable" in told
    assert 0 < len(out.split()) < 100
    assert drained(spool) == out.split()
    assert spool.status().damaged == 0


def test_drain_that_settles_only_some_keeps_the_others_in_order(spool, now):
    fill(spool, now, "a", "b", "c", "d")
    with spool.drain() as batch:
        for entry in batch.entries[1:3]:
            batch.done(entry)
    assert references(spool, spool.waiting()) == ["a", "d"]
    fill(spool, now + timedelta(minutes=1), "e")
    assert drained(spool) == ["a", "d", "e"]


def test_drain_that_is_interrupted_keeps_what_it_did(spool, now):
    fill(spool, now, "a", "b")

    def drain():
        with spool.drain() as batch:
            batch.done(batch.entries[0])
            raise KeyError

    with pytest.raises(KeyError):
        drain()
    assert drained(spool) == ["b"]


def test_untouched_segments_are_not_rewritten(spool, now):
    fill(spool, now, "a", "b")
    with spool.drain():
        pass
    [before] = [one.path for one in segments.list_segments(spool.directory)]
    with spool.drain():
        pass
    assert [one.path for one in segments.list_segments(spool.directory)] == [before]


def test_only_one_process_drains(spool, make, now):
    fill(spool, now, "a")
    with spool.drain() as mine, make().drain() as theirs:
        assert mine is not None
        assert theirs is None


def test_large_spool_is_drained_in_batches(spool, now, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_BYTES_MAX", 1)
    spool.append(finish("a", now), lane="known", now=now)
    spool.append(finish("b", now + SECOND), lane="unproven", now=now + SECOND)
    assert drained(spool) == ["a"]
    assert drained(spool) == ["b"]


def test_damaged_bytes_are_kept_aside_and_their_neighbours_drained(spool, now, events):
    fill(spool, now, "a", "b", "c")
    [segment] = segments.list_segments(spool.directory)
    data = bytearray(segment.path.read_bytes())
    data[len(data) // 2] ^= 1
    segment.path.write_bytes(bytes(data) + b"torn")
    assert drained(spool) == ["a", "c"]
    kept = b"".join(path.read_bytes() for path in spool.damaged())
    assert len(kept) == len(data) // 3 + 4
    assert spool.status().damaged == 2
    assert events.count("damaged") == 2


def test_damage_in_a_segment_that_stays_is_counted_once(spool, now, events):
    fill(spool, now, "a")
    [segment] = segments.list_segments(spool.directory)
    segment.path.write_bytes(segment.path.read_bytes() + b"torn")
    for _ in range(3):
        with spool.drain():
            pass
    assert events.count("damaged") == 1
    assert spool.status().damaged == 1


def test_rejected_record_stays_until_it_is_taken_back(spool, now):
    fill(spool, now, "a", "b")
    with spool.drain() as batch:
        batch.reject(batch.entries[0], "link_unknown", now)
        batch.reject(batch.entries[0], "link_unknown", now)
    [rejected] = spool.rejected()
    assert (rejected.reason, rejected.rejected_at) == ("link_unknown", now)
    assert references(spool, spool.waiting()) == ["b"]
    spool.take_back([rejected], now)
    assert spool.rejected() == []
    assert drained(spool) == ["a", "b"]


def test_drafts_of_a_killed_drain_are_removed(spool, now):
    fill(spool, now, "a")
    (spool.directory / "x.closed.123.draft").write_bytes(b"half")
    assert drained(spool) == ["a"]
    assert list(spool.directory.glob("*.draft")) == []


def test_cap_is_never_passed_and_told_of_long_before(make, now, events):
    spool = make(bytes_max=6000)
    with capture_logs() as logs, pytest.raises(SpoolFull):
        flood(spool, now, "known")
    told = [line for line in logs if line["event"] == "spool.filling"]
    assert [line["log_level"] for line in told] == ["warning", "error"]
    assert told[0]["percent"] < told[1]["percent"] < 100
    assert 0.8 < spool.status().fullness <= 1
    assert spool.status().size_bytes <= 6000
    assert events[-1] == "full"
    assert len(drained(spool)) == spool.status().records + events.count("appended")
    spool.append(finish("again", now), lane="known", now=now)


def test_what_anybody_may_send_leaves_most_of_the_room(make, now):
    spool = make(bytes_max=20_000)
    with pytest.raises(SpoolFull):
        flood(spool, now, "unproven")
    assert spool.status().size_bytes <= 5_000
    with spool.drain() as batch:
        for entry in batch.entries:
            batch.reject(entry, "link_unknown", now)
    with pytest.raises(SpoolFull):
        spool.append(finish("more", now, os.urandom(900)), lane="unproven", now=now)
    for number in range(20):
        spool.append(finish(f"g{number}", now, os.urandom(300)), lane="known", now=now)


def test_status_follows_what_happens(spool, make, now):
    assert (spool.status().records, spool.status().oldest_at) == (0, None)
    other = make()
    for number in range(3):
        fill(spool, now + number * SECOND, "a")
        fill(other, now - number * SECOND, "b")
        status = spool.status()
        assert status.records == 2 * (number + 1)
        assert status.oldest_at == now - number * SECOND
    drained(spool)
    assert (spool.status().records, spool.status().size_bytes) == (0, 0)


def test_another_secret_key_does_not_open_what_waits(spool, make, now):
    fill(spool, now, "a")
    [entry] = spool.waiting()
    with pytest.raises(SealBroken):
        make(keys=Keys("quite another secret, 32 letters")).open(entry.read_payload())


def test_directory_that_cannot_be_made_is_said_at_once(make, tmp_path):
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolUnusable, match="spool"):
        make().prepare()


def test_file_that_cannot_be_read_does_not_stop_the_others(spool, now, monkeypatch):
    fill(spool, now, "a")
    spool.append(finish("b", now), lane="unproven", now=now)
    real = segments.close

    def close(segment):
        if segment.lane == "unproven":
            raise PermissionError(13, "Permission denied")
        return real(segment)

    monkeypatch.setattr(segments, "close", close)
    assert drained(spool) == ["a"]
    assert references(spool, spool.waiting()) == ["b"]
