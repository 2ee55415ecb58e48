"""``[visitor]`` of the settings: the page on which visitors see their own account."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_ORIGIN = re.compile(r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


def _split(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _is_origin(text: str) -> str:
    # It goes into a header as it is: nothing else may be said in it.
    if not _ORIGIN.fullmatch(text):
        raise ValueError(f"{text!r} is not an origin such as https://portal.example.com")
    return text


Origin = Annotated[str, Field(max_length=200), AfterValidator(_is_origin)]


class VisitorSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    enabled: bool = True
    embed_origins: Annotated[tuple[Origin, ...], BeforeValidator(_split)] = ()
    """Sites that may show the page in a frame; the service must be reached over https then."""
    session_s: int = Field(default=3600, ge=60, le=7 * 86400)
    """So long after the entry the visitor has to come in anew."""
