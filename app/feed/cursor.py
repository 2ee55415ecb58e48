"""The place in a feed: opaque text that is good for as long as the books are the same."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from app.errors import Conflict, Invalid

Stream = Literal["usage-events", "postings"]

CURSOR_CHARS_MAX = 200
_CHECK_CHARS = 12
_PARTS = 4
_VERSION = 1


class CursorUnknown(Conflict):
    """The books do not have what this cursor stands behind: a backup was put back."""

    code = "cursor_unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the row with this id; ``check`` tells it from another row that got its id later."""

    id: int
    check: str


BEGINNING = Place(0, "")


def place_of(row_id: int, mark: str) -> Place:
    """``mark`` is what the row alone has: an event's reference, a transaction's hash."""
    return Place(row_id, hashlib.sha256(mark.encode()).hexdigest()[:_CHECK_CHARS])


def written(stream: Stream, place: Place) -> str:
    text = json.dumps([_VERSION, stream, place.id, place.check], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(stream: Stream, text: str | None) -> Place:
    """What a cursor stands for; None is the beginning.

    Raises:
        Invalid: it was not made by this feed (``cursor_invalid``).
    """
    if text is None:
        return BEGINNING
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        parts = None
    if not isinstance(parts, list) or len(parts) != _PARTS or parts[:2] != [_VERSION, stream]:
        raise Invalid("this cursor is not one of this feed", code="cursor_invalid")
    row_id, check = parts[2:]
    if type(row_id) is not int or not 0 <= row_id < 2**63 or type(check) is not str:
        raise Invalid("this cursor is not one of this feed", code="cursor_invalid")
    return Place(row_id, check)
