"""Moments as people and programs give them: with an offset, in years one can reckon with."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)


def _within_reason(moment: datetime) -> datetime:
    # At the ends of the calendar not even a conversion to UTC is possible.
    if not FIRST.year < moment.year < LAST.year:
        raise ValueError(f"the year is between {FIRST.year + 1} and {LAST.year - 1}")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_within_reason)]
"""In UTC."""
