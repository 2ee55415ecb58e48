"""Read what a form sent."""

from collections.abc import Mapping
from datetime import date, datetime, time

from flask import request
from pydantic import BaseModel

from app.errors import Invalid
from app.moments import YEAR_MAX, YEAR_MIN
from app.pagekit.formats import zone
from app.pagekit.languages import gettext as _


def optional(name: str) -> str | None:
    """The text of a field without blanks around it; None when it is empty or not there."""
    return request.form.get(name, "").strip() or None


def query(args: Mapping[str, str]) -> dict[str, object]:
    """The parameters of a list's address that say something."""
    return {name: value for name, value in args.items() if value.strip()}


def period(name: str) -> datetime | None:
    """The beginning of the day in a date field of the query, by the operator's clock.

    Raises:
        Invalid: it is no date.
    """
    return _beginning(request.args.get(name, "").strip())


def day(name: str) -> datetime | None:
    """The same of a date field of a form."""
    return _beginning(optional(name) or "")


def _beginning(text: str) -> datetime | None:
    if not text:
        return None
    try:
        chosen = date.fromisoformat(text)
    except ValueError:
        raise Invalid(_("%(text)s is not a date.", text=text[:20]), code="date_invalid") from None
    if not YEAR_MIN <= chosen.year <= YEAR_MAX:
        raise Invalid(_("%(text)s is not a date.", text=text), code="date_invalid")
    return datetime.combine(chosen, time(), tzinfo=zone())


def asked(*names: str) -> dict[str, object]:
    """What of these the address says; what is empty is not said."""
    return {name: request.args[name] for name in names if request.args.get(name)}


def checked(name: str) -> bool:
    """Whether a box is ticked."""
    return request.form.get(name) is not None


def limits(model: type[BaseModel], prefix: str = "limits") -> dict[str, str]:
    """The limits that were filled in, from fields named ``<prefix>.<limit>``."""
    typed = {name: optional(f"{prefix}.{name}") for name in model.model_fields}
    return {name: value for name, value in typed.items() if value is not None}
