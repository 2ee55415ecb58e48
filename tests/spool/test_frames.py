"""Whatever happens to the bytes of a segment, every frame that is still whole is found."""

from datetime import UTC, datetime, timedelta

import pytest
from app.spool import frames
from app.spool.frames import Damage, Frame
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 4, 0, 0, 123456, tzinfo=UTC)

payloads = st.lists(
    st.text(st.characters(max_codepoint=127), max_size=60).map(str.encode), max_size=6
)


def encoded(contents: list[bytes]) -> list[bytes]:
    return [
        frames.encode(content, NOW + timedelta(microseconds=number))
        for number, content in enumerate(contents)
    ]


def found(data: bytes) -> list[bytes]:
    """The whole frames in it, once the scan is seen to account for every byte."""
    pieces = list(frames.scan(data))
    at = 0
    for piece in pieces:
        assert piece.offset == at
        assert piece.size > 0
        at += piece.size
    assert at == len(data)
    assert all(not piece.is_tail for piece in pieces[:-1] if isinstance(piece, Damage))
    return [data[p.offset : p.offset + p.size] for p in pieces if isinstance(p, Frame)]


@given(payloads)
def test_frames_come_back_as_they_were_written(contents):
    data = b"".join(encoded(contents))
    assert [frames.payload_of(frame) for frame in found(data)] == contents
    arrivals = [piece.received_at for piece in frames.scan(data)]
    assert arrivals == [NOW + timedelta(microseconds=n) for n in range(len(contents))]


@given(payloads, st.data())
def test_truncation_loses_only_the_frame_it_cuts(contents, data):
    parts = encoded(contents)
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [len(b"".join(parts[: n + 1])) for n in range(len(parts))]
    assert found(whole[:cut]) == [p for p, end in zip(parts, ends, strict=True) if end <= cut]
    pieces = list(frames.scan(whole[:cut]))
    if cut and cut not in ends:
        assert isinstance(pieces[-1], Damage)
        assert pieces[-1].is_tail


@given(payloads.filter(bool), st.binary(max_size=40), st.integers(0, 40), st.data())
def test_corruption_loses_only_the_frames_it_touches(contents, junk, removed, data):
    parts = encoded(contents)
    whole = b"".join(parts)
    at = data.draw(st.integers(0, len(whole)))
    broken = whole[:at] + junk + whole[at + removed :]
    kept, position = [], 0
    for part in parts:
        if position + len(part) <= at or position >= at + removed:
            kept.append(part)
        position += len(part)
    if removed == 0 and junk:  # an insertion between two frames touches neither
        kept = [p for p, s in zip(parts, starts(parts), strict=True) if not s < at < s + len(p)]
    survivors = found(broken)
    assert [part for part in survivors if part in kept] == kept
    assert all(part in parts for part in survivors)  # nothing is ever made up


@given(payloads.filter(bool), st.data())
def test_any_changed_byte_is_noticed(contents, data):
    parts = encoded(contents)
    whole = bytearray(b"".join(parts))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    hit = [s <= at < s + len(p) for p, s in zip(parts, starts(parts), strict=True)]
    assert found(bytes(whole)) == [p for p, is_hit in zip(parts, hit, strict=True) if not is_hit]


@given(st.binary(max_size=400))
def test_bytes_that_were_never_a_segment_hold_no_frame(data):
    assert found(data) == []


def test_a_frame_inside_a_damaged_one_is_not_taken_for_a_second():
    inner = frames.encode(b"inner", NOW)
    with pytest.raises(ValueError, match="ASCII"):
        frames.encode(inner, NOW)


def test_frames_of_another_version_are_kept_as_damage():
    frame = bytearray(frames.encode(b"x", NOW))
    frame[4] = 2
    assert [type(piece) for piece in frames.scan(bytes(frame))] == [Damage]


def starts(parts: list[bytes]) -> list[int]:
    return [len(b"".join(parts[:number])) for number in range(len(parts))]
