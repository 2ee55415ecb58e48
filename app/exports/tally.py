"""What a manifest says of rows: how many, their sums, and a digest that no format changes.

The digest is a chain over blocks of 50 rows: h = SHA-256(h + block) from 32 zero bytes on, where a
block is the JSON array of its columns, each the array of its values as ``columns`` has them, in
UTF-8 without blanks; the last block is as long as it happens to be. By columns, because those are
at hand: row by row it takes twice as long. A chain, because its state is 32 bytes and the rows of a
block that is not whole yet: an export that was interrupted goes on with these.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from app.exports.columns import Batch, Column
from app.money import format_nano

BLOCK = 50
_NOTHING = bytes(32)

_encoded = msgspec.json.Encoder().encode


class Tally:
    """Counts, adds up and digests rows of these columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._summed = [(place, column) for place, column in enumerate(columns) if column.is_summed]
        self.rows = 0
        self._sums = [0] * len(self._summed)
        self._chain = _NOTHING
        self._left: list[list[Any]] = [[] for _ in columns]
        """Rows of a block that is not whole yet, column by column."""

    def add(self, batch: Batch) -> None:
        self.rows += len(batch)
        for at, (place, _) in enumerate(self._summed):
            self._sums[at] += sum(filter(None, batch.columns[place]))
        start = self._fill(batch) if self._left[0] else 0
        end = start + (len(batch) - start) // BLOCK * BLOCK
        chain = self._chain
        for at in range(start, end, BLOCK):
            chain = _linked(chain, [values[at : at + BLOCK] for values in batch.columns])
        self._chain = chain
        for left, values in zip(self._left, batch.columns, strict=True):
            left.extend(values[end:])

    def _fill(self, batch: Batch) -> int:
        """Put rows to those that are left, and link them if they are a block; how many."""
        taken = BLOCK - len(self._left[0])
        for left, values in zip(self._left, batch.columns, strict=True):
            left.extend(values[:taken])
        if len(self._left[0]) == BLOCK:
            self._chain = _linked(self._chain, self._left)
            self._left = [[] for _ in self._left]
        return min(taken, len(batch))

    @property
    def content_sha256(self) -> str:
        return (_linked(self._chain, self._left) if self._left[0] else self._chain).hex()

    def sums(self) -> dict[str, str]:
        """By column: decimals as plain text, and integers, too."""
        return {
            column.name: format_nano(added) if column.kind == "decimal" else str(added)
            for (_, column), added in zip(self._summed, self._sums, strict=True)
        }

    def raw_sums(self) -> dict[int, int]:
        """By the place of the column, as rows have them."""
        return {place: added for (place, _), added in zip(self._summed, self._sums, strict=True)}

    def state(self) -> dict[str, Any]:
        """For ``resume``, whatever is added later."""
        left = [list(values) for values in self._left]
        return {"rows": self.rows, "sums": self._sums[:], "chain": self._chain.hex(), "left": left}

    @classmethod
    def resume(cls, columns: Sequence[Column], state: Mapping[str, Any]) -> Self:
        tally = cls(columns)
        tally.rows = state["rows"]
        tally._sums = list(state["sums"])
        tally._chain = bytes.fromhex(state["chain"])
        tally._left = [list(values) for values in state["left"]]
        return tally


def _linked(chain: bytes, columns: Sequence[Sequence[Any]]) -> bytes:
    return hashlib.sha256(chain + _encoded(columns)).digest()
