"""What every page of the console knows."""

from flask import g

from app.admin import navigation
from app.pagekit import languages


def context() -> dict[str, object]:
    """What every page of the console needs."""
    desk = g.get("desk")
    if desk is None:
        return {
            "caller": None,
            "groups": [],
            "languages": languages.NAMES,
            "locale": languages.current(),
        }
    return {
        "caller": desk.visitor if desk.visitor and desk.visitor.is_complete else None,
        "groups": navigation.shown(desk),
        "languages": languages.NAMES,
        "locale": languages.current(),
        "now": desk.now,
        "currency": desk.settings.billing.currency,
    }
