"""How a redemption code is written and read back. Pure but for the operating system's dice.

Sixteen letters and digits of Crockford's base 32 (80 bits: nobody guesses one) and a check
character over them, in groups: ``ABCD-EFGH-JKMN-PQRS-T``. The check character is one symbol of a
Reed-Solomon code, so that any single wrong character and any two exchanged ones are noticed before
the database is asked.
"""

import secrets
import unicodedata

from app.errors import Invalid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: without I, L and O, which are read as 1, 1 and 0, and without U."""
DATA_LENGTH = 16
LENGTH = DATA_LENGTH + 1
GROUP_LENGTH = 4
SEPARATOR = "-"

_TYPED_MAX = 200
"""Longer is no code, however it is spaced."""
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_DASHES = "-‐‑‒–—―−_."
_FIELD = 0b100101
"""x^5 + x^2 + 1: arithmetic in the field of 32 elements."""


class CodeMalformed(Invalid):
    """It is no code: too long, too short, or mistyped."""

    code = "code_malformed"


def new_code() -> str:
    """A fresh code in its canonical form: 17 characters without separators."""
    data = "".join(secrets.choice(ALPHABET) for _ in range(DATA_LENGTH))
    return data + check_character(data)


def check_character(data: str) -> str:
    """What follows these sixteen characters of ``ALPHABET``."""
    return ALPHABET[_weighted(data)]


def grouped(code: str) -> str:
    """The canonical form as it is printed: ``ABCD-EFGH-JKMN-PQRS-T``."""
    return SEPARATOR.join(
        code[start : start + GROUP_LENGTH] for start in range(0, len(code), GROUP_LENGTH)
    )


def parse(typed: str) -> str:
    """The canonical form of what a person typed.

    Case, spaces and dashes do not matter, nor do full-width letters; O is 0, I and L are 1.

    Raises:
        CodeMalformed: it is no code, or something in it is mistyped.
    """
    plain = unicodedata.normalize("NFKC", typed[: _TYPED_MAX + 1]).upper()
    letters = [one for one in plain if not _is_filler(one)]
    if len(letters) != LENGTH or any(letter not in _VALUES for letter in letters):
        raise CodeMalformed(
            f"a code has {LENGTH} letters and digits, such as {grouped(ALPHABET[10:27])}; "
            "check it for what is missing or mistyped"
        )
    code = "".join(ALPHABET[_VALUES[letter]] for letter in letters)
    if check_character(code[:DATA_LENGTH]) != code[DATA_LENGTH:]:
        raise CodeMalformed("a character of the code is mistyped: compare it with the card")
    return code


def _is_filler(letter: str) -> bool:
    # Cf: what copying from a page or a chat brings along unseen.
    return letter.isspace() or letter in _DASHES or unicodedata.category(letter) == "Cf"


def _weighted(data: str) -> int:
    """The sum of the characters' values, each times its own power of the field's generator.

    The powers are distinct, which is why an exchange of two characters changes the sum.
    """
    total = 0
    for letter in reversed(data):
        total = _doubled(total ^ _VALUES[letter])
    return total


def _doubled(value: int) -> int:
    doubled = value << 1
    return doubled ^ _FIELD if doubled >= len(ALPHABET) else doubled
