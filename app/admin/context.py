"""What every page of the console knows."""

import secrets

from flask import g

from app.admin import navigation
from app.pagekit import languages


def new_key() -> str:
    """An idempotency key for a form that moves money: sending it twice moves it once."""
    return secrets.token_urlsafe(12)


def context() -> dict[str, object]:
    """Names for the templates; less where nothing is known of who asks."""
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
        "new_key": new_key,
    }
