"""Numbers of statements as people write them: 2026-000123."""

import re

from app.closings.store import StatementNotFound

_NUMBER = re.compile(r"([0-9]{4})-([0-9]{6,18})")


def parse_number(text: str) -> tuple[int, int]:
    """Year and ordinal.

    Raises:
        StatementNotFound: nothing can have such a number.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise StatementNotFound(f"{text[:40]!r} is no number such as 2026-000123")
    return int(found[1]), int(found[2])
