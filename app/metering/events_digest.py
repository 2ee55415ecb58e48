"""A digest of many answers with what they took, whoever counts them and in whatever order."""

import hashlib
from dataclasses import dataclass

_MODULUS = 2**256


@dataclass(slots=True)
class EventsDigest:
    """A digest of answers with their points and charges, in whatever order they come.

    The sum, modulo 2^256, of the SHA-256 of ``[<id>,<points>,<charge>]`` for each answer that has
    any of the two; both in nano-units.
    """

    points: int = 0
    charge: int = 0
    _sum: int = 0

    def add(self, event_id: int, points: int, charge: int) -> None:
        if not points and not charge:
            return  # an answer over nothing may have no lines, and then nobody could tell
        digest = hashlib.sha256(f"[{event_id},{points},{charge}]".encode()).digest()
        self._sum = (self._sum + int.from_bytes(digest)) % _MODULUS
        self.points += points
        self.charge += charge

    def hexdigest(self) -> str:
        return f"{self._sum:064x}"
