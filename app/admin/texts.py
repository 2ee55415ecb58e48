"""Texts that can be kept: what callers send may hold anything that JSON can say."""

import re
from collections.abc import Mapping, Sequence

from app.errors import Invalid

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL refuses NUL and lone surrogates."""


def check_storable(value: object) -> None:
    """Refuse a value with a text in it, however deep, that no database keeps.

    Raises:
        Invalid: ``text_unstorable``.
    """
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise Invalid("NUL and lone surrogates are no text", code="text_unstorable")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            check_storable(name)
            check_storable(one)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for one in value:
            check_storable(one)
