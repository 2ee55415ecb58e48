"""What an issuer's claims say about a person, made fit to be kept."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.config import Locale

NAME_CHARS_MAX = 200
TEXT_CHARS_MAX = 500
ATTRIBUTES_MAX = 32
NUMBER_MAX = 2**53

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
LOCALES: dict[str, Locale] = {"zh": "zh", "en": "en"}

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Profile:
    """Said about the person by the issuer; None where it says nothing."""

    name: str | None = None
    locale: Locale | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


NOTHING_SAID = Profile()


def profile(
    *, name: object = None, locale: object = None, attributes: Mapping[str, object] | None = None
) -> Profile:
    """The profile in these claim values; what has no use (a list as a name) is left out."""
    kept = {
        key: value
        for key, raw in (attributes or {}).items()
        if (value := _attribute(raw)) is not None
    }
    return Profile(
        name=_text(name, NAME_CHARS_MAX),
        locale=_locale(locale),
        attributes=dict(list(kept.items())[:ATTRIBUTES_MAX]),
    )


def _text(value: object, chars_max: int) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    return _UNSTORABLE.sub("\ufffd", value.strip())[:chars_max]


def _locale(value: object) -> Locale | None:
    """``zh-CN``, ``zh_Hans`` and ``ZH`` are Chinese; ``en-GB`` is English."""
    if not isinstance(value, str):
        return None
    return LOCALES.get(re.split("[-_]", value.strip(), maxsplit=1)[0].lower())


def _attribute(value: object) -> Attribute | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= NUMBER_MAX else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _text(value, TEXT_CHARS_MAX)
