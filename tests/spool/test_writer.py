"""Appends are durable when they return, and a failed one leaves nothing behind that harms."""

import errno
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from app.spool import frames, segments, writer
from app.spool.frames import Damage, Frame
from app.spool.writer import Writer

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def frame(text: str = "x") -> bytes:
    return frames.encode(text.encode(), NOW)


def texts(directory) -> list[str]:
    """What is whole in it."""
    return [
        frames.payload_of(segments.piece(one.path, piece.offset, piece.size)).decode()
        for one in segments.list_segments(directory)
        for piece in segments.read(one.path)
        if isinstance(piece, Frame)
    ]


@pytest.fixture
def written(tmp_path):
    made = Writer(tmp_path / "spool", "known")
    yield made
    made.close()


def test_directory_and_files_are_for_their_owner_alone(written, tmp_path):
    written.append(frame(), NOW)
    [segment] = segments.list_segments(tmp_path / "spool")
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert segment.path.stat().st_mode & 0o777 == 0o600


def test_threads_append_together_and_lose_nothing(written, tmp_path):
    def append(number):
        for count in range(20):
            written.append(frame(f"{number}-{count}"), NOW)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = texts(tmp_path / "spool")
    assert sorted(found) == sorted(f"{n}-{c}" for n in range(8) for c in range(20))
    assert len(segments.list_segments(tmp_path / "spool")) == 1


def test_every_append_is_synced_before_it_returns(written, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_size), real(fd)))
    size = 0
    for text in ("a", "bb", "ccc"):
        written.append(frame(text), NOW)
        size += len(frame(text))
        assert synced[-1] == size


def test_segment_that_is_large_or_old_is_closed(written, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SEGMENT_BYTES_MAX", 2 * len(frame()))
    for _ in range(3):
        written.append(frame(), NOW)
    written.append(frame(), NOW + timedelta(minutes=2))
    found = segments.list_segments(tmp_path / "spool")
    assert [one.is_open for one in found] == [False, False, True]
    assert len(texts(tmp_path / "spool")) == 4


def test_claimed_segment_is_left_and_another_begun(written, tmp_path):
    written.append(frame("before"), NOW)
    [segment] = segments.list_segments(tmp_path / "spool")
    closed = segments.close(segment)
    written.append(frame("after"), NOW)
    assert len(segments.read(closed.path)) == 1
    assert sorted(texts(tmp_path / "spool")) == ["after", "before"]


def test_claiming_while_threads_append_loses_nothing(written, tmp_path):
    stop = threading.Event()

    def claim():
        while not stop.is_set():
            for one in segments.list_segments(tmp_path / "spool"):
                if one.is_open:
                    segments.close(one)

    claimer = threading.Thread(target=claim)
    claimer.start()
    for count in range(100):
        written.append(frame(str(count)), NOW)
    stop.set()
    claimer.join()
    assert sorted(texts(tmp_path / "spool"), key=int) == [str(count) for count in range(100)]


def fail_after(monkeypatch, allowed: int):
    """The disk takes so many more bytes."""
    left = [allowed]
    real = os.write

    def write(fd, data):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, bytes(data)[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)


def test_half_written_frame_is_taken_back(written, tmp_path, monkeypatch):
    written.append(frame("whole"), NOW)
    with monkeypatch.context() as patch:
        fail_after(patch, 10)
        with pytest.raises(OSError, match="No space"):
            written.append(frame("half"), NOW)
    written.append(frame("next"), NOW)
    [segment] = segments.list_segments(tmp_path / "spool")
    assert [type(piece) for piece in segments.read(segment.path)] == [Frame, Frame]
    assert texts(tmp_path / "spool") == ["whole", "next"]


def test_torn_tail_that_cannot_be_taken_back_ends_its_segment(written, tmp_path, monkeypatch):
    written.append(frame("whole"), NOW)
    with monkeypatch.context() as patch:
        fail_after(patch, 10)
        patch.setattr(os, "ftruncate", _refuse)
        with pytest.raises(OSError, match="No space"):
            written.append(frame("half"), NOW)
    written.append(frame("next"), NOW)
    torn, fresh = sorted(
        (segments.read(one.path) for one in segments.list_segments(tmp_path / "spool")),
        key=len,
        reverse=True,
    )
    assert [type(piece) for piece in torn] == [Frame, Damage]
    assert torn[1].is_tail
    assert [type(piece) for piece in fresh] == [Frame]


def test_failed_sync_fails_the_append_and_is_never_asked_again(written, tmp_path, monkeypatch):
    written.append(frame("whole"), NOW)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _refuse)
        with pytest.raises(OSError, match="Input/output"):
            written.append(frame("doubtful"), NOW)
    written.append(frame("next"), NOW)
    assert len(segments.list_segments(tmp_path / "spool")) == 2


def _refuse(*_):
    raise OSError(errno.EIO, "Input/output error")
