"""One finish as the spool keeps it: what came, when, through which door; sealed as a whole."""

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from app.errors import Invalid
from app.keys import Keys

VERSION = 1
LINE_CHARS_MAX = 48_000
"""Log shippers cut lines that are longer than 64 KB or so."""
_LINE = re.compile(r"sealed-finish:([a-z0-9]{1,20}):(\d+)/(\d+):([A-Za-z0-9~!=]+)")
# Base64 text may by chance read like a token or a link's path, which logs redact; this cannot.
_TO_LINE = str.maketrans("-_", "~!")
_FROM_LINE = str.maketrans("~!", "-_")


class RecordUnreadable(Invalid):
    """A sealed record that this version, or this secret key, cannot read."""

    code = "record_unreadable"


class LinesIncomplete(Invalid):
    """Parts of a finish are missing from the lines given."""

    code = "lines_incomplete"


@dataclass(frozen=True, slots=True)
class Record:
    """A finish before anything about it was decided.

    Exactly one of ``link_key`` and ``link_name`` says through which door it came.
    """

    reference: str
    received_at: datetime
    link_key: str | None
    link_name: str | None
    body: bytes


def seal(record: Record, *, keys: Keys) -> bytes:
    """The record compressed and encrypted, as ASCII: neither token nor question can be read."""
    head = {
        "version": VERSION,
        "reference": record.reference,
        "received_at": record.received_at.isoformat(),
        "link_key": record.link_key,
        "link_name": record.link_name,
    }
    plain = json.dumps(head).encode() + b"\n" + record.body
    return keys.seal(zlib.compress(plain)).encode("ascii")


def unseal(payload: bytes, *, keys: Keys) -> Record:
    """The record that was sealed.

    Raises:
        SealBroken: it was sealed under another secret key.
        RecordUnreadable: a newer version of this program wrote it.
    """
    plain = zlib.decompress(keys.unseal(payload.decode("ascii")))
    head_text, _, body = plain.partition(b"\n")
    head = json.loads(head_text)
    if head["version"] != VERSION:
        raise RecordUnreadable(
            f"a spooled finish has version {head['version']}, this program reads {VERSION}: "
            "replay it with the program that wrote it, or a newer one"
        )
    return Record(
        reference=head["reference"],
        received_at=datetime.fromisoformat(head["received_at"]).astimezone(UTC),
        link_key=head["link_key"],
        link_name=head["link_name"],
        body=body,
    )


def to_lines(reference: str, payload: bytes) -> Iterator[str]:
    """A sealed record as text for a log or a file: words that ``from_lines`` finds anywhere."""
    text = payload.decode("ascii").translate(_TO_LINE)
    parts = [text[at : at + LINE_CHARS_MAX] for at in range(0, len(text), LINE_CHARS_MAX)]
    for number, part in enumerate(parts, 1):
        yield f"sealed-finish:{reference}:{number}/{len(parts)}:{part}"


def from_lines(lines: Iterable[str]) -> Iterator[bytes]:
    """The sealed records in a log, whatever else is in it; each once.

    A record is given out when its last missing part was read.

    Raises:
        LinesIncomplete: after the last line, names the finishes of which parts are missing.
    """
    found: dict[tuple[str, int], dict[int, str]] = {}
    given: set[tuple[str, int]] = set()
    for line in lines:
        for reference, number, count, text in _LINE.findall(line):
            place = (reference, int(count))
            if place in given:
                continue
            parts = found.setdefault(place, {})
            parts[int(number)] = text
            if len(parts) == int(count):
                whole = "".join(parts[at] for at in sorted(parts))
                yield whole.translate(_FROM_LINE).encode("ascii")
                given.add(place)
                del found[place]
    if found:
        names = ", ".join(sorted(reference for reference, _ in found))
        raise LinesIncomplete(f"parts are missing of {names}: give the whole log")
