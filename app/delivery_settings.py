"""``[deliveries]`` of the settings: where finished files may go, and how."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_MIB = 1024 * 1024


class DeliverySettings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    root: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Destinations of the kind ``directory`` lie below it. Default: ``delivered`` in the data
    directory."""
    outbox: Annotated[Path, AfterValidator(Path.expanduser)] | None = None
    """Where files wait until they are delivered. Default: ``outbox`` in the data directory."""
    allow_private_addresses: bool = False
    """Whether webhooks and S3 storage may be called at private addresses, and over http."""
    inline_bytes_max: int = Field(default=5 * _MIB, ge=0, le=64 * _MIB)
    """Files of a delivery that are together no larger go into the webhook's one request."""
    attachment_bytes_max: int = Field(default=10 * _MIB, ge=0, le=64 * _MIB)
    """Files that are together no larger are attached to mail; else it says where they lie."""
    kept_days: int = Field(default=90, ge=1)
    """How long deliveries and runs that are over, and their files, are kept."""
