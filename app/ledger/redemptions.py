"""What a transaction says of the code it redeems. Pure: no database, no clock.

It names the code and its batch by their numbers, never by the text that was typed. Its idempotency
key is the code's, so that the ledger itself takes each code once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DETAIL = "redemption"
"""The key of the details that every redemption has, and nothing else."""
PREFIX = "redeem:"
"""How the idempotency keys of redemptions begin, and those of nothing else."""


@dataclass(frozen=True, slots=True)
class Redemption:
    """One code and the batch it is of, by their ids."""

    code_id: int
    batch_id: int

    def details(self) -> dict[str, Any]:
        """As it stands in the transaction."""
        return {DETAIL: {"code": self.code_id, "batch": self.batch_id}}


def key(code_id: int) -> str:
    """The idempotency key of the transaction that redeems the code."""
    return f"{PREFIX}{code_id}"


def find(details: Mapping[str, Any]) -> Redemption | None:
    """The code that a transaction's details speak of; None when they do not, or unreadably."""
    match details.get(DETAIL):
        case {"code": int(code_id), "batch": int(batch_id)}:
            return Redemption(code_id, batch_id)
    return None
