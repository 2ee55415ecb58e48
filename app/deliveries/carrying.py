"""What every way of delivering takes and gives."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.deliveries.address import Address
from app.deliveries.orders import DeliveredFile, manifest_name
from app.errors import Unavailable

CHUNK = 1024 * 1024

Beat = Callable[[], None]
"""Called while something is sent: a sign of life. It raises when somebody else sends it by now."""


class NotTaken(Unavailable):
    """The far side did not take it; the message is one sentence for people, without secrets."""

    code = "not_taken"

    def __init__(self, message: str, *, wait_s: float = 0, is_final: bool = False) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.is_final = is_final
        """Asking again cannot help."""


@dataclass(frozen=True, slots=True)
class Consignment:
    """What goes to one destination; detached from the database."""

    key: str
    subject: str
    summary: str
    summary_html: str
    manifest: Mapping[str, Any]
    files: tuple[DeliveredFile, ...]
    address: Address
    locale: str
    now: datetime
    beat: Beat

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)

    @property
    def manifest_name(self) -> str:
        return manifest_name(self.key)

    @property
    def manifest_bytes(self) -> bytes:
        """As it lies beside the files: the same bytes for the same delivery."""
        text = json.dumps(self.manifest, ensure_ascii=False, indent=2, sort_keys=True)
        return text.encode() + b"\n"

    def chunks(self, file: DeliveredFile) -> Iterator[bytes]:
        """The bytes of a file, with signs of life between them."""
        return chunks(file.path, self.beat)


def chunks(path: Path, beat: Beat) -> Iterator[bytes]:
    with path.open("rb") as source:
        while piece := source.read(CHUNK):
            beat()
            yield piece


Carry = Callable[[Consignment], str]
"""Bring it there; where it lies, for people. Raises ``NotTaken``, or any ``ServiceError``."""
Probe = Callable[[Address, datetime], str]
"""Leave a small thing and take it away again; what was done, in one sentence. Raises likewise."""
