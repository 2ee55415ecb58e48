"""How a call found its link: by the secret key in the path, or by the operator's word."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.turns.identify import Directory
from app.turns.link_context import LinkContext
from app.turns.refusals import LinkUnknown


@dataclass(frozen=True, slots=True)
class Door:
    """The way into one link.

    Kept as it was named, so that it can be entered again when a worker's memory was old.
    """

    key: str | None = None
    name: str | None = None

    @classmethod
    def with_key(cls, key: str) -> Self:
        return cls(key=key)

    @classmethod
    def by_name(cls, name: str) -> Self:
        return cls(name=name)

    @classmethod
    def closed(cls) -> Self:
        """A door that leads nowhere."""
        return cls()

    def enter(self, directory: Directory, now: datetime) -> LinkContext:
        """The link behind it.

        Raises:
            LinkUnknown: there is none.
        """
        if self.key is not None:
            return directory.link(self.key, now)
        if self.name is not None:
            return directory.link_by_name(self.name, now)
        raise LinkUnknown("no link at this address")

    def is_known(self, directory: Directory, now: datetime) -> bool:
        """Whether a link is behind it for certain, without asking the database.

        Raises:
            LinkUnknown: for certain there is none.
        """
        if self.name is not None:
            return True  # the operator's own word, behind a list of addresses
        return self.recall(directory, now) is not None

    def recall(self, directory: Directory, now: datetime) -> LinkContext | None:
        """The link behind it from memory alone; None where only the database knows.

        Raises:
            LinkUnknown: for certain there is none.
        """
        if self.key is not None:
            return directory.recall_link(self.key, now)
        if self.name is not None:
            return directory.recall_link_by_name(self.name)
        raise LinkUnknown("no link at this address")
