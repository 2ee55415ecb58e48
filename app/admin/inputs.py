"""Kinds of values that many requests take or give: bounded, and storable in both databases."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer

YEAR_MIN, YEAR_MAX = 1970, 2999


def _of_our_time(moment: datetime) -> datetime:
    # Years at either end of the calendar cannot be brought to UTC.
    if not YEAR_MIN <= moment.year <= YEAR_MAX:
        raise ValueError(f"must be of the years {YEAR_MIN} to {YEAR_MAX}")
    return moment


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


Amount = Annotated[Decimal, PlainSerializer(_plain, return_type=str, when_used="json")]
"""In answers: plain decimal text without trailing zeros."""
Moment = Annotated[AwareDatetime, AfterValidator(_of_our_time)]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""PostgreSQL takes no NUL, neither to store nor to compare."""
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="Why; it stays for ever.",
    ),
]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
Paid = Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=9)]
"""In the wallet currency."""
Signed = Annotated[Decimal, Field(ge=-(10**9), le=10**9, decimal_places=9)]
