"""TOTP (RFC 6238) and recovery codes, as authenticator apps know them."""

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import datetime

import pyotp

from app.keys import Keys

ISSUER = "shareauth"
STEP_S = 30
SLACK_STEPS = 1
"""Codes of the step before and after are taken: clocks differ."""
RECOVERY_CODES = 10
RECOVERY_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
RECOVERY_GROUP = 5


def new_secret() -> str:
    return pyotp.random_base32()


def address(secret: str, name: str) -> str:
    """The ``otpauth://`` address that goes into a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(code: str, secret: str, *, now: datetime, after_step: int | None) -> int | None:
    """The time step that ``code`` belongs to, or None when it is wrong or was used.

    ``after_step`` is the step of the last code that was taken.
    """
    typed = _plain(code).encode("utf-8", "replace")
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // STEP_S
    for step in range(current - SLACK_STEPS, current + SLACK_STEPS + 1):
        is_fresh = after_step is None or step > after_step
        if is_fresh and secrets.compare_digest(totp.at(step * STEP_S).encode(), typed):
            return step
    return None


def new_recovery_codes() -> list[str]:
    """Ten codes such as ``ABCDE-FGHJK``, each good once."""
    return [
        "-".join(
            "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_GROUP))
            for _ in range(2)
        )
        for _ in range(RECOVERY_CODES)
    ]


def recovery_digest(code: str, keys: Keys) -> str:
    """What is kept of a recovery code; blanks, dashes and case do not matter."""
    plain = "".join(letter for letter in _plain(code).upper() if letter.isalnum())
    return keys.token_digest(f"recovery {plain}")


def without_recovery_code(code: str, digests: Sequence[str], keys: Keys) -> list[str] | None:
    """The codes that are left when ``code`` is used; None when it is not one of them."""
    digest = recovery_digest(code, keys)
    if digest not in digests:
        return None
    return [one for one in digests if one != digest]


def _plain(code: str) -> str:
    """Without blanks, and with the digits that a Chinese keyboard makes wide as usual ones."""
    return "".join(unicodedata.normalize("NFKC", code).split())
