"""Settings of how long what is kept; docs/privacy.md lists every kind of data."""

from pydantic import BaseModel, ConfigDict, Field


class Retention(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    usage_lines_months: int = Field(default=0, ge=0)
    """Lines of so many whole months stay in the database, older ones may be removed once they are
    archived; 0 keeps all for ever. Answers and their charges are never removed."""
    profiles_inactive_days: int = Field(default=0, ge=0, le=36_500)
    """Name, locale and attributes of a user of whom nothing was seen for so long are forgotten,
    until they come again; 0 keeps them."""
    unfinished_days: int = Field(default=400, ge=1, le=36_500)
    """How long unfinished questions are kept; a year's report can be made when it is over."""
    jobs_days: int = Field(default=90, ge=1, le=36_500)
    """How long it can be seen how background jobs went; what they did stands in the audit."""
    tokens_days: int = Field(default=400, ge=1, le=36_500)
    """How long minted tokens are listed after they expired or were revoked."""
