"""``prices rerate preview`` in the background: what pricing again would change. Books nothing."""

from typing import Any

from app.background.rerate import Choice
from app.background.task import Task
from app.jobs.leases import Progress
from app.money import format_nano
from app.rerating import store
from app.rerating.preview import Preview, UserSums, preview
from app.runtime import Runtime

KIND = "rerate_preview"
USERS_MAX = 200
"""So many users stand in the result, those with the greatest differences; the sums are of all."""


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """The sums, and the digest by which exactly this can be booked.

    Raises:
        PriceVersionNotFound: there is no such version.
    """
    asked = Choice.model_validate(task.parameters)
    zone = runtime.settings.zone
    with runtime.db.read() as session:
        count = store.count_answers(session, asked.selection, zone)
    task.report(Progress(done=0, message=f"pricing up to {count} answers"))
    found = preview(runtime.db, asked.selection, asked.price, zone=zone)
    task.check()
    return {**_sums(found), "currency": runtime.settings.billing.currency, "users": _users(found)}


def _sums(found: Preview) -> dict[str, Any]:
    counts = {name: found.total(name) for name in ("events", "changes")}
    amounts = ("charged", "would_be", "difference", "to_book")
    return {
        "digest": found.digest,
        **counts,
        "left": dict(found.left_by_problem),
        **{name: format_nano(found.total(name)) for name in amounts},
        "below_zero": len(found.below_zero),
    }


def _users(found: Preview) -> list[dict[str, Any]]:
    changed = (user for user in found.users if user.changes)
    order = sorted(changed, key=lambda user: (-abs(user.difference), user.owner.user_id))
    return [_user(user) for user in order[:USERS_MAX]]


def _user(user: UserSums) -> dict[str, Any]:
    return {
        "subject": user.owner.subject,
        "changes": user.changes,
        "charged": format_nano(user.charged),
        "would_be": format_nano(user.would_be),
        "difference": format_nano(user.difference),
        "balance_after": format_nano(user.balance_after),
        "falls_below_zero": user.falls_below_zero,
    }
