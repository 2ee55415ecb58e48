"""Moments as people and programs give them: with an offset, in years one can reckon with."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)
YEAR_MIN, YEAR_MAX = FIRST.year + 1, LAST.year - 1


def _within_reason(moment: datetime) -> datetime:
    # At the ends of the calendar not even a conversion to UTC is possible.
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise ValueError(f"the year is between {YEAR_MIN} and {YEAR_MAX}")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_within_reason)]
"""In UTC."""
