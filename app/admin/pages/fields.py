"""Read what a form sent."""

from collections.abc import Mapping

from flask import request
from pydantic import BaseModel


def optional(name: str) -> str | None:
    """The text of a field without blanks around it; None when it is empty or not there."""
    return request.form.get(name, "").strip() or None


def query(args: Mapping[str, str]) -> dict[str, object]:
    """The parameters of a list's address that say something."""
    return {name: value for name, value in args.items() if value.strip()}


def checked(name: str) -> bool:
    """Whether a box is ticked."""
    return request.form.get(name) is not None


def limits(model: type[BaseModel], prefix: str = "limits") -> dict[str, str]:
    """The limits that were filled in, from fields named ``<prefix>.<limit>``."""
    typed = {name: optional(f"{prefix}.{name}") for name in model.model_fields}
    return {name: value for name, value in typed.items() if value is not None}
