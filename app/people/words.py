"""A person's own words in JSON, and their pseudonym in the place of them."""

from collections.abc import Callable, Collection
from typing import Any


def replacing(words: Collection[str], pseudonym: str) -> Callable[[Any], Any]:
    """What gives JSON back with every text that is exactly one of the words as the pseudonym.

    Only whole texts: the subject ``7`` is in half of all numbers.
    """

    def replaced(value: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, str):
            return pseudonym if value in words else value
        if isinstance(value, list):
            return [replaced(one) for one in value]
        if isinstance(value, dict):
            return {name: replaced(one) for name, one in value.items()}
        return value

    return replaced
