"""The confidential part of a destination: where exactly it is, and with what it is signed."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.keys import Keys


class SigningSecret(BaseModel):
    model_config = ConfigDict(frozen=True)

    secret: str
    expires_at: datetime | None = None
    """Set when it is rotated: it signs until then beside its successor."""


class Address(BaseModel):
    model_config = ConfigDict(frozen=True)

    url: str = ""
    recipients: tuple[str, ...] = ()
    secret: str | None = None
    """Of a bot, where its owner has switched signatures on."""
    signing: tuple[SigningSecret, ...] = ()
    """Of a webhook, the newest first."""

    def live_secrets(self, now: datetime) -> list[str]:
        return [
            one.secret for one in self.signing if one.expires_at is None or one.expires_at > now
        ]


def seal(address: Address, keys: Keys) -> str:
    return keys.seal(address.model_dump_json().encode())


def unseal(sealed: str, keys: Keys) -> Address:
    """Where a destination is.

    Raises:
        SealBroken: the secret key is not the one it was sealed with.
    """
    return Address.model_validate_json(keys.unseal(sealed))
