"""``[statements]`` of the settings: when months may be closed, and what stands on statements."""

from pydantic import BaseModel, ConfigDict, Field


class StatementSettings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    grace_minutes: int = Field(default=60, ge=0, le=60 * 24 * 60)
    """So long after its end a month stays open, for answers that are on their way."""
    department_attribute: str | None = Field(default="department", max_length=100)
    """The attribute of users that says their department; empty: departments have no statements."""
    email_attribute: str = Field(default="email", max_length=100)
    """The attribute of users that has the address which statements are mailed to."""
    company: str = Field(default="", max_length=200)
    """Who issues the statements: the head of each."""
    address: str = Field(default="", max_length=500)
    """Below the company; lines are kept."""
    tax_id: str = Field(default="", max_length=100)
    """Of the company, below its address."""
    note: str = Field(default="", max_length=1000)
    """At the end of each statement: how to pay, whom to ask."""
