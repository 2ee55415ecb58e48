"""Kinds of values that many requests take or give: bounded, and storable in both databases."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, PlainSerializer


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


Amount = Annotated[Decimal, PlainSerializer(_plain, return_type=str, when_used="json")]
"""In answers: plain decimal text without trailing zeros."""
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
