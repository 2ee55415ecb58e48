"""One answered hook call, as it is remembered until it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.errors import Person

OK = "ok"
CALLED_CHARS_MAX = 200
MESSAGE_CHARS_MAX = 500


@dataclass(slots=True)  # not frozen: that makes it three times as dear, and each call makes one
class Sighting:
    hook: str
    code: str
    """``ok``, or why the call was refused."""
    at: datetime
    reference: str
    address: str
    link_id: int | None
    key_digest: str | None = None
    """Of the key in the path, where the link is not known: it may have been a link's once."""
    generation: str | None = None
    person: Person | None = None
    called: str | None = None
    message: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    is_kept: bool = True
    """Whether a refusal gets a row of its own; else it is only counted."""

    @property
    def is_refusal(self) -> bool:
        return self.code != OK
