"""The bytes of a segment: frames that prove themselves, and what to make of damaged ones.

A frame starts with bytes that no payload contains (payloads are ASCII), so that a reader finds the
next frame whatever was torn, cut out or overwritten before it. README.md has the table.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from mmap import mmap

MAGIC = b"\xf5SA\xb7"
VERSION = 1
_HEADER = struct.Struct(">4sB3xIQ")
_HEADER_CHECK = struct.Struct(">I")
HEADER_BYTES = _HEADER.size + _HEADER_CHECK.size
DIGEST_BYTES = 16
OVERHEAD_BYTES = HEADER_BYTES + DIGEST_BYTES
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MICROS_MAX = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame at ``offset``; ``received_at`` is the finish's arrival.

    ``digest`` names the frame, wherever it lies.
    """

    offset: int
    size: int
    received_at: datetime
    digest: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no whole frame. ``is_tail``: nothing follows them, as after a torn write."""

    offset: int
    size: int
    is_tail: bool


def encode(payload: bytes, received_at: datetime) -> bytes:
    """One frame.

    Raises:
        ValueError: the payload is not ASCII, so a reader could take its bytes for a frame.
    """
    if not payload.isascii():
        raise ValueError("a frame's payload is ASCII")
    micros = (received_at - EPOCH) // MICROSECOND
    header = _HEADER.pack(MAGIC, VERSION, len(payload), micros)
    checked = header + _HEADER_CHECK.pack(zlib.crc32(header))
    return b"".join((checked, payload, _digest(checked, payload)))


def payload_of(frame: bytes) -> bytes:
    """What a whole frame carries."""
    return frame[HEADER_BYTES:-DIGEST_BYTES]


def scan(data: bytes | mmap, start: int = 0) -> Iterator[Frame | Damage]:
    """Every byte from ``start`` on, in order, as frames and damage.

    Whatever happened to the bytes, each frame that is still whole is found.
    """
    position = start
    while position < len(data):
        frame = _frame_at(data, position)
        if frame is not None:
            yield frame
            position += frame.size
            continue
        following = _next_header(data, position + 1)
        end = len(data) if following is None else following
        yield Damage(position, end - position, is_tail=following is None)
        position = end


def _frame_at(data: bytes | mmap, position: int) -> Frame | None:
    header = _header_at(data, position)
    if header is None:
        return None
    length, micros = header
    end = position + OVERHEAD_BYTES + length
    if end > len(data):
        return None
    # Every view is released at once: a map cannot be closed while one is kept.
    with (
        memoryview(data) as view,
        view[position : position + HEADER_BYTES] as checked,
        view[position + HEADER_BYTES : end - DIGEST_BYTES] as payload,
    ):
        digest = _digest(checked, payload)
    if digest != data[end - DIGEST_BYTES : end]:
        return None
    return Frame(position, end - position, EPOCH + micros * MICROSECOND, digest)


def _header_at(data: bytes | mmap, position: int) -> tuple[int, int] | None:
    """Length and arrival of the frame that begins here; None where no sound header is."""
    raw = data[position : position + HEADER_BYTES]
    if len(raw) < HEADER_BYTES or not raw.startswith(MAGIC):
        return None
    fields, check = raw[: _HEADER.size], raw[_HEADER.size :]
    if _HEADER_CHECK.unpack(check)[0] != zlib.crc32(fields):
        return None
    _, version, length, micros = _HEADER.unpack(fields)
    if version != VERSION or micros > MICROS_MAX:
        return None
    return length, micros


def _next_header(data: bytes | mmap, start: int) -> int | None:
    position = data.find(MAGIC, start)
    while position >= 0:
        if _header_at(data, position) is not None:
            return position
        position = data.find(MAGIC, position + 1)
    return None


def _digest(*parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()[:DIGEST_BYTES]
