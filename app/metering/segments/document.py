"""What users have in common when they ask, such as a department, as few rows can say it. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence

VALUE_CHARS_MAX = 120
OTHER = "…"
"""Stands for every value where there are too many combinations of them."""

ERASED = "~erased"
"""Stands for every value of what only people had who were erased since."""

Segment = tuple[tuple[str, str], ...]
"""Names with their values, sorted; names that the user has nothing for are absent."""


def segment_of(attributes: Mapping[str, object], followed: Sequence[str]) -> Segment:
    """Of a user's attributes, those that are followed."""
    return tuple(
        sorted(
            (name, text)
            for name in set(followed)
            if (text := _text(attributes.get(name))) is not None
        )
    )


def overflow(segment: Segment) -> Segment:
    """What a segment counts as when there are too many already."""
    return tuple((name, OTHER) for name, _ in segment)


def erased(segment: Segment) -> Segment:
    """What is left of a segment that only erased people had: which attributes it had."""
    return tuple((name, ERASED) for name, _ in segment)


def erased_digest(number: int) -> str:
    """In the place of its digest: of the segment's number alone, so that no guess finds it."""
    return hashlib.sha256(f"{ERASED}:{number}".encode()).hexdigest()


def digest(segment: Segment) -> str:
    """SHA-256 in hex of the attributes as JSON: sorted names, no spaces."""
    canonical = json.dumps(dict(segment), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:VALUE_CHARS_MAX]
