"""How the address of a call is shown: enough to see what is wrong with it, and no secret."""

import re

from app.sightings.sighting import CALLED_CHARS_MAX

ROOT = "l"
HOOK_FOLDER = "shareauth"
WORDS = frozenset({ROOT, HOOK_FOLDER, "init", "start", "finish", "api", "v1", "share", "chat"})
"""Shown as they were called, in whatever case. Of anything else only the beginning is."""
SEGMENTS_MAX = 12
SHOWN_CHARS = 4
"""Of a link's key: enough to tell it from another, and far too little to guess the rest."""
_UNPRINTABLE = re.compile(r"[^!-~]")


def shown(method: str, path: str) -> str:
    """``POST /l/Ab3x…/shareAuth/init``."""
    segments = path.split("/")[1:]
    parts = [_segment(segment) for segment in segments[:SEGMENTS_MAX]]
    if len(segments) > SEGMENTS_MAX:
        parts.append("…")
    return f"{_printable(method[:10])} /{'/'.join(parts)}"[:CALLED_CHARS_MAX]


def named_key(path: str) -> str | None:
    """What stands where a link's key does: after ``/l/``, else before the first ``/shareAuth``."""
    segments = path.split("/")[1 : SEGMENTS_MAX + 1]
    for place, segment in enumerate(segments):
        if segment == ROOT and place + 1 < len(segments):
            return segments[place + 1] or None
        if segment.lower() == HOOK_FOLDER:
            return segments[place - 1] if place else None
    return None


def has_hook_folder_twice(called: str) -> bool:
    """Whether the root URL was pasted with FastGPT's own part of the path."""
    return called.lower().split("/").count(HOOK_FOLDER) > 1


def _segment(text: str) -> str:
    if text.lower() in WORDS or len(text) <= SHOWN_CHARS:
        return _printable(text)
    return f"{_printable(text[:SHOWN_CHARS])}…"


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)
