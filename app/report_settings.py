"""``[reports]`` of the settings: what of users is followed for reports."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ATTRIBUTES_MAX = 5


def _listed(value: object) -> object:
    # Where only text is possible, names are written with commas.
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r'^[^\s"\\=:,\x00-\x1f\x7f]{1,40}$')]


class ReportSettings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    attributes: Annotated[
        tuple[Name, ...], BeforeValidator(_listed), Field(max_length=ATTRIBUTES_MAX)
    ] = ("department",)
    """Attributes of users that reports can be cut by; each answer is counted under the values
    that its user has then."""
