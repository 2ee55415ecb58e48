"""Sightings with as little said as possible."""

import itertools
from datetime import datetime
from typing import Any

from app.errors import Person
from app.sightings.sighting import OK, Sighting

from moments import NOW

REFERENCES = (f"ref{number:07}" for number in itertools.count())
ANN = Person(1, "u_ann", "portal", "ann")


def seen(hook: str, link_id: int | None = 1, at: datetime = NOW, **more: Any) -> Sighting:
    """A call that was answered with yes."""
    return _sighting(hook, OK, link_id, at, more)


def refused(code: str, link_id: int | None = 1, at: datetime = NOW, **more: Any) -> Sighting:
    """A start that was refused."""
    called = "POST /l/abcd…/shareAuth/start"
    return _sighting("start", code, link_id, at, {"called": called, "message": "no", **more})


def _sighting(
    hook: str, code: str, link_id: int | None, at: datetime, more: dict[str, Any]
) -> Sighting:
    values = {
        "hook": hook,
        "code": code,
        "at": at,
        "reference": next(REFERENCES),
        "address": "192.0.2.1",
        "link_id": link_id,
    }
    return Sighting(**values | more)
