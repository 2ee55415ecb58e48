"""What a manifest says of rows: how many, their sums, and a digest that no format changes.

The digest is a chain: h = SHA-256(h + row) from 32 zero bytes on, where a row is the JSON array of
its values as ``columns`` has them, in UTF-8 without blanks. A chain, because its state is 32 bytes:
an export that was interrupted goes on with it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from app.exports.columns import Batch, Column
from app.money import format_nano

_NOTHING = bytes(32)


class Tally:
    """Counts, adds up and digests rows of these columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._summed = [(place, column) for place, column in enumerate(columns) if column.is_summed]
        self._encoder = msgspec.json.Encoder()
        self.rows = 0
        self._sums = [0] * len(self._summed)
        self._chain = _NOTHING

    def add(self, batch: Batch) -> None:
        self.rows += len(batch)
        for at, (place, _) in enumerate(self._summed):
            self._sums[at] += sum(filter(None, batch.columns[place]))
        chain, sha256 = self._chain, hashlib.sha256
        for piece in batch.pieces():
            rows = zip(*piece.columns, strict=True)  # one tuple after the other: none is kept
            for row in self._encoder.encode_lines(rows).split(b"\n")[:-1]:
                chain = sha256(chain + row).digest()
        self._chain = chain

    @property
    def content_sha256(self) -> str:
        return self._chain.hex()

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
        """For ``resume``."""
        return {"rows": self.rows, "sums": self._sums, "chain": self._chain.hex()}

    @classmethod
    def resume(cls, columns: Sequence[Column], state: Mapping[str, Any]) -> Self:
        tally = cls(columns)
        tally.rows = state["rows"]
        tally._sums = list(state["sums"])
        tally._chain = bytes.fromhex(state["chain"])
        return tally
