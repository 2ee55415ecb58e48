"""What belongs to a billing period: by when it was posted, and by how far the books went then."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the books: all usage events and ledger transactions up to these ids.

    Only ids below which nothing can appear any more make one; see reports/README.md.
    """

    event_id: int
    transaction_id: int


@dataclass(frozen=True, slots=True)
class Period:
    """The time from ``since`` up to ``until``, as the books stand at ``upto``.

    A finish may wait in a spool while its month is closed, and is then posted with the time at
    which it came. So a closed month has what is of its time *and* up to its own position; what
    came later of earlier times belongs to the month in which the books got it, and is marked late:

        since <= time < until and id <= upto
        or time < since and after < id <= upto

    ``after`` is where the closing before stopped; None takes nothing late. ``upto`` None is a
    month that is not closed: all of its time that is there.
    """

    since: datetime
    until: datetime
    upto: Position | None = None
    after: Position | None = None
