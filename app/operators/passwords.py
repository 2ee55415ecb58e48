"""Operators' passwords: argon2id with the library's current parameters."""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Invalid, Unavailable

CHARS_MIN = 12
CHARS_MAX = 256
GENERATED_BYTES = 15

AT_ONCE = 2
"""Each takes 64 MiB and all the time of a core: strangers must not be able to ask for more."""
WAIT_S = 3.0

_hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(AT_ONCE)


class SignInBusy(Unavailable):
    """Too many passwords are being judged at this moment."""

    code = "sign_in_busy"


def generate() -> str:
    """A random password of 20 characters: about 120 bits."""
    return secrets.token_urlsafe(GENERATED_BYTES)


def hashed(password: str, *, name: str = "") -> str:
    """What is kept of a password.

    Raises:
        Invalid: it is too short, too long, or is the operator's name (``password_weak``).
    """
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise Invalid(f"a password has {CHARS_MIN} to {CHARS_MAX} characters", code="password_weak")
    if len(set(password)) == 1 or (name and password.casefold() == name.casefold()):
        raise Invalid("this password is too easy to guess", code="password_weak")
    return hashed_again(password)


def hashed_again(password: str) -> str:
    """The same without judging it, for a password that is in use."""
    return _hasher.hash(_bytes(password))


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password; takes as long when there is none to compare with.

    Raises:
        SignInBusy: others wait already.
    """
    if not _turns.acquire(timeout=WAIT_S):
        raise SignInBusy("too many people sign in at this moment: try again")
    try:
        _hasher.verify(stored or _nobodys(), _bytes(password[:CHARS_MAX]))
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _turns.release()
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


_decoy: list[str] = []


def _nobodys() -> str:
    if not _decoy:
        _decoy.append(_hasher.hash(generate()))
    return _decoy[0]
