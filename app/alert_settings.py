"""``[alerts]`` and ``[mail]`` of the settings: how alerts may leave the service."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class AlertSettings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    allow_private_webhooks: bool = False
    """Whether webhooks and bots may be called at private addresses, and over http."""
    kept_days: int = Field(default=90, ge=1)
    """How long deliveries that are done, and alerts that are over, can be looked at."""


class MailSettings(BaseModel):
    """The server that sends the service's mail; without ``host`` no mail is sent."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    host: str | None = None
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """``tls`` from the first byte (port 465), ``starttls`` after the greeting (587), or neither."""
    username: str | None = None
    password: SecretStr | None = None
    sender: str | None = Field(default=None, pattern=r"^[^\s@<>]+@[^\s@<>]+$")
    timeout_s: float = Field(default=10, gt=0, le=30)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.host is not None and self.sender is None:
            raise ValueError("a sender is required when host is given")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password: give both or neither")
        return self
