"""How long answers took, counted in buckets that can be added up. Pure.

Below twenty milliseconds each has its own. Above, an octave has ten of equal width, so the middle
of a bucket is at most five per cent away from any time in it.
"""

from collections.abc import Mapping

OCTAVES_MAX = 24
"""What is above 10 * 2^25 milliseconds, almost four days, is counted as that."""
_STEPS = 10
LONGEST_MS = _STEPS * 2 ** (OCTAVES_MAX + 1) - 1


def bucket_of(ms: int) -> int:
    """The bucket of a time; one below zero counts as zero."""
    ms = min(max(ms, 0), LONGEST_MS)
    octave = max((ms // _STEPS).bit_length() - 1, 0)
    return _STEPS * octave + (ms >> octave)


def octaves() -> list[tuple[int, int, int]]:
    """Of each octave, the first time above it, its bucket's offset, and the width of a bucket."""
    return [(_STEPS * 2 ** (k + 1), _STEPS * k, 2**k) for k in range(OCTAVES_MAX + 1)]


def middle_of(bucket: int) -> int:
    """The time that stands for all in a bucket, in milliseconds."""
    octave = max(bucket // _STEPS - 1, 0)
    return ((bucket - _STEPS * octave) << octave) + ((1 << octave) - 1) // 2


def quantile(counts: Mapping[int, int], percent: int) -> int | None:
    """The time within which so many of a hundred answers came; None without any.

    By nearest rank: of the times in order, the first that enough are not above.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank = -(-total * percent // 100)
    passed = 0
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed >= rank:
            return middle_of(bucket)
    return None
