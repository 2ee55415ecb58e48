"""The limits a plan, a link or a user may set: their names, units, and how they override.

Kernel, not ``admission``: plans, links and users each store some of these and may not know the
gate that enforces them.
"""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app.money import to_nano

QUOTAS = frozenset({"questions_per_day", "points_per_day", "points_per_month", "points_total"})
"""Limits that only the books can count; rates and open questions are counted at the gate."""
UNLIMITED = -1
"""Lifts a limit that a plan or a link sets; None means 'not said here, inherit'."""

Count = Annotated[int, Field(ge=UNLIMITED, le=10**9)]
Points = Annotated[Decimal, Field(ge=UNLIMITED, le=Decimal(10**9), decimal_places=9)]


class _Limits(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def overridden_by(self, other: Self) -> Self:
        """These limits, with each one that ``other`` states replaced by it."""
        return self.model_copy(update=other.model_dump(exclude_none=True))

    def without_quotas(self) -> Self:
        """These limits, less those that only the books can count."""
        return self.model_copy(update=dict.fromkeys(QUOTAS & type(self).model_fields.keys()))

    def stored(self) -> dict[str, object]:
        """The JSON that a column keeps: only what is stated, points as text."""
        return self.model_dump(mode="json", exclude_none=True)


class VisitorLimits(_Limits):
    """What one visitor may do. Set by the plan, overridden by the link, then by the user."""

    questions_per_minute: Count | None = None
    burst: Count | None = None
    """Questions that may come at once before ``questions_per_minute`` spaces them out;
    inherits ``questions_per_minute`` when not said."""
    questions_per_day: Count | None = None
    points_per_day: Points | None = None
    points_per_month: Points | None = None
    open_questions: Count | None = None
    """Questions admitted whose finish has not come and whose ticket has not expired."""


class LinkLimits(_Limits):
    """What all visitors of one link may do together."""

    questions_per_minute: Count | None = None
    burst: Count | None = None
    points_total: Points | None = None
    points_per_month: Points | None = None
    open_questions: Count | None = None


class GuestLimits(_Limits):
    """What all guests of one link may do together."""

    questions_per_minute: Count | None = None
    burst: Count | None = None
    questions_per_day: Count | None = None
    points_per_day: Points | None = None
    open_questions: Count | None = None


def points_nano(points: Decimal | None) -> int | None:
    """A points limit in nano-points; None when there is no such limit."""
    return None if points is None or points == UNLIMITED else to_nano(points)


def count_or_none(count: int | None) -> int | None:
    """A count limit; None when there is no such limit."""
    return None if count is None or count == UNLIMITED else count
