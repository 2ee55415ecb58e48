"""Nano-units to the gate's micro-units and back, rounded against the visitor. Pure.

Scripts calculate with doubles, exact up to 2**53. In nano-units that is nine million; in
micro-units nine billion, as much as a BIGINT of nano-units holds.
"""

from decimal import Decimal

from app.limits import points_nano

MICRO_MAX = 9_000_000_000_000_000
"""A little below 2**53; larger amounts count as this much."""


def floor_micro(nano: int) -> int:
    """What the visitor has or may use: never more than it is."""
    return _clamp(nano // 1000)


def ceil_micro(nano: int) -> int:
    """What the visitor used or holds: never less than it is."""
    return _clamp(-(-nano // 1000))


def from_micro(micro: int) -> int:
    return micro * 1000


def points_micro(limit: Decimal | None) -> int | None:
    """A points limit in micro-points; None when there is no such limit."""
    nano = points_nano(limit)
    return None if nano is None else floor_micro(nano)


def _clamp(micro: int) -> int:
    return max(-MICRO_MAX, min(micro, MICRO_MAX))
