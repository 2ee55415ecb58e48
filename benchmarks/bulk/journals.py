"""Who was refused and who changed what, so that these exports have something to read."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa
from app.audit.models import AuditEntry
from app.db import Database
from app.sightings.models import Refusal

from bulk.crowd import Crowd

EVENTS_TO_A_REFUSAL = 20
EVENTS_TO_A_CHANGE = 50
ROWS_AT_ONCE = 5000
_CODES = ("rate_limit", "balance_low", "token_expired", "link_paused", "quota_spent")


def fill_journals(db: Database, crowd: Crowd) -> None:
    """Refusals and audit entries, evenly over the days of the load."""
    for table, rows in ((Refusal, _refusals(crowd)), (AuditEntry, _changes(crowd))):
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            with db.begin() as session:
                session.execute(sa.insert(table), chunk)


def _refusals(crowd: Crowd) -> Iterator[dict[str, Any]]:
    drawn = random.Random(crowd.size.seed)
    for number, at in _moments(crowd, EVENTS_TO_A_REFUSAL):
        user, link = drawn.randrange(1, crowd.size.users + 1), 1 + number % crowd.size.links
        yield {
            "reference": f"R{number}",
            "at": at,
            "hook": "start" if number % 5 else "init",
            "code": _CODES[number % len(_CODES)],
            "link_id": link,
            "user_id": user,
            "uid": f"u_{user}",
            "issuer": "bench",
            "subject": f"person-{user}",
            "address": f"10.0.{number % 250}.7",
            "called": f"POST /l/link-{link}/shareAuth/start",
            "message": "too many questions in a minute: wait 40 seconds",
            "details": {"limit": 10, "wait_s": 40},
        }


def _changes(crowd: Crowd) -> Iterator[dict[str, Any]]:
    for number, at in _moments(crowd, EVENTS_TO_A_CHANGE):
        user = str(1 + number % crowd.size.users)
        yield {
            "at": at,
            "actor": f"operator-{number % 7}",
            "source": "admin" if number % 3 else "api",
            "address": f"10.1.{number % 250}.9",
            "action": "user.change",
            "object_type": "user",
            "object_id": user,
            "before": {"plan": "plan-1", "limits": {}, "name": f"Person {user}"},
            "after": {
                "plan": "plan-2",
                "limits": {"questions_a_day": 50},
                "name": f"Pérson {user}",
            },
            "reason": "asked for more",
        }


def _moments(crowd: Crowd, events: int) -> Iterator[tuple[int, datetime]]:
    """Numbers from 1 on with their times; as many as there are so many events."""
    count = crowd.size.events // events
    step = timedelta(days=crowd.size.days) / max(count, 1)
    for number in range(1, count + 1):
        yield number, crowd.begin + step * (number - 0.5)
