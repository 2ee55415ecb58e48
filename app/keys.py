"""Everything derived from the service's one secret: digests, sealed values, uids."""

import base64
import hashlib
import hmac
import secrets
import string

from cryptography.fernet import Fernet, InvalidToken

from app.errors import ServiceError

LINK_KEY_ALPHABET = string.ascii_letters + string.digits
LINK_KEY_LENGTH = 32
"""About 190 bits."""
TOKEN_BYTES = 32
TOKEN_PREFIX = "sat_"  # noqa: S105 - the public start of our tokens, for secret scanners


class SealBroken(ServiceError):
    """A sealed value was written under another secret key, or damaged."""

    code = "seal_broken"


class Keys:
    """One key per purpose, derived from ``service.secret_key``."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._fernet = Fernet(base64.urlsafe_b64encode(self._derive("seal")))
        self._token_key = self._derive("token digest")
        self._link_key = self._derive("link key digest")
        self._code_key = self._derive("redemption code digest")
        self._uid_key = self._derive("uid")
        self.cookie_key = self._derive("cookies").hex()
        """Signs the cookies of the pages."""

    def token_digest(self, token: str) -> str:
        """What stands for a bearer token in tables, caches and logs: 64 hex digits."""
        return _hmac(self._token_key, token)

    def link_key_digest(self, key: str) -> str:
        return _hmac(self._link_key, key)

    def code_digest(self, code: str) -> str:
        """What stands for a redemption code, in its canonical form, in tables: 64 hex digits."""
        return _hmac(self._code_key, code)

    def uid(self, issuer: str, subject: str) -> str:
        """``u_`` and 26 letters and digits: within FastGPT's rule whatever the subject contains.

        The same for the same issuer and subject, so that init and start agree before a row exists.
        """
        raw = hmac.digest(self._uid_key, _bytes(issuer) + b"\0" + _bytes(subject), "sha256")
        return "u_" + base64.b32encode(raw[:16]).decode().rstrip("=").lower()

    def seal(self, plain: bytes) -> str:
        return self._fernet.encrypt(plain).decode()

    def unseal(self, sealed: str) -> bytes:
        """What was sealed.

        Raises:
            SealBroken: the secret key is not the one it was sealed with.
        """
        try:
            return self._fernet.decrypt(sealed.encode())
        except InvalidToken:
            raise SealBroken(
                "a sealed value cannot be opened: it was made with another service.secret_key"
            ) from None

    def _derive(self, purpose: str) -> bytes:
        return hmac.digest(self._secret, b"shareauth v1 " + purpose.encode(), "sha256")


def new_link_key() -> str:
    """Letters and digits only: on a command line a key must not look like an option."""
    return "".join(secrets.choice(LINK_KEY_ALPHABET) for _ in range(LINK_KEY_LENGTH))


def new_uid() -> str:
    """A uid that nothing leads to, in the form of ``Keys.uid``."""
    return "u_" + base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def new_reference() -> str:
    """A short id for one request that a person can read out: ten letters and digits."""
    return base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, _bytes(text), hashlib.sha256).hexdigest()


def _bytes(text: str) -> bytes:
    # Tokens and subjects are somebody else's text and may hold lone surrogates.
    return text.encode("utf-8", "surrogatepass")
