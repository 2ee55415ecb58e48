"""What every format of a file is to the rest: PORT."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from app.exports.catalogue import Table
from app.exports.columns import Batch
from app.exports.scope import Scope
from app.exports.tally import Tally


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a writer is to write of, the same whenever it is written again."""

    table: Table
    scope: Scope
    currency: str
    source: str
    """Of events: where this service is."""
    with_bom: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the manifest says of the request."""


class Sink:
    """Where bytes go: into a file, or nowhere. Counts and digests them."""

    closed = False

    def __init__(self, file: BinaryIO | None = None) -> None:
        self.file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        # pyarrow hands over buffers of its own.
        self.digest.update(data)
        self.size += len(data)
        if self.file is not None:
            self.file.write(data)
        return len(data)

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        """Whoever opened the file closes it."""


class Writer(Protocol):
    """Writes one file."""

    def begin(self) -> None:
        """Write what comes first; not called when a file is gone on with."""

    def write(self, batch: Batch) -> None: ...

    def end(self, tally: Tally) -> None:
        """Write what comes last; ``tally`` is of the whole export."""

    def drop(self) -> None:
        """Let go of everything; the sink keeps nothing any more."""


@dataclass(frozen=True, slots=True)
class Format:
    """``goes_on``: a file can be appended to where it ended after any batch."""

    name: str
    about: str
    suffix: str
    media_type: str
    open: Callable[[Sheet, Sink], Writer]
    goes_on: bool = True
    tables: frozenset[str] | None = None
    """The only ones it can say; None: all."""
    rows_in_file: int | None = None
    """After so many it begins another file."""
    page_rows: int | None = None
    """Pages of a table are shorter where writing is slow: their transactions wait for it."""
