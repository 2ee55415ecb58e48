"""The confidential part of a destination: where exactly it is, and with what it is opened."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.alerts.addressing import SigningSecret
from app.keys import Keys


class Address(BaseModel):
    """What of it a kind uses: see ``destination_commands.FIELDS``."""

    model_config = ConfigDict(frozen=True)

    path: str = ""
    endpoint: str = ""
    """``https://host:port`` of S3-compatible storage; empty: AWS."""
    region: str = ""
    bucket: str = ""
    prefix: str = ""
    access_key: str = ""
    secret_key: str = ""
    url: str = ""
    signing: tuple[SigningSecret, ...] = ()
    """Of a webhook, the newest first."""
    recipients: tuple[str, ...] = ()

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
