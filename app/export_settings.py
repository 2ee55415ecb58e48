"""``[exports]`` of the settings: files that jobs make."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ExportSettings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    kept_days: int = Field(default=30, ge=1)
    """How long the files of an export job lie ready; then they are removed, and can be made
    again."""
    archives: Path | None = None
    """Where the archives of usage lines lie, if this machine has them: exports of months whose
    lines were removed from the database read them there."""
