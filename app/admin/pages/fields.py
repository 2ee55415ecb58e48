"""Read what a form sent."""

from flask import request
from pydantic import BaseModel


def optional(name: str) -> str | None:
    """The text of a field without blanks around it; None when it is empty or not there."""
    return request.form.get(name, "").strip() or None


def query(*names: str) -> dict[str, object]:
    """What of these the address says; what is empty is not said."""
    return {name: request.args[name] for name in names if request.args.get(name)}


def checked(name: str) -> bool:
    """Whether a box is ticked."""
    return request.form.get(name) is not None


def limits(model: type[BaseModel], prefix: str = "limits") -> dict[str, str]:
    """The limits that were filled in, from fields named ``<prefix>.<limit>``."""
    typed = {name: optional(f"{prefix}.{name}") for name in model.model_fields}
    return {name: value for name, value in typed.items() if value is not None}
