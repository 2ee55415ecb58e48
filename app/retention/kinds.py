"""Every kind of data: where it is, how long it is kept, and what removes it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from app.config import Settings

Count = Literal["rows", "ids", "none"]
"""``rows`` are counted; ``ids``: the highest one, about as many; ``none``: too many to count."""

SESSIONS_KEPT = timedelta(days=7)
"""A finish may come long after its session has expired, and is billed by it."""

DAYS_IN_MONTH_MAX = 31


@dataclass(frozen=True, slots=True)
class Kind:
    """``age`` is the column that says how old a row is.

    ``kept`` gives the age at which rows go, None: they stay. ``setting`` is what says so, and
    ``job`` the periodic job that removes them; None: a person does, or nobody.
    """

    name: str
    table: str
    age: str
    kept: Callable[[Settings], timedelta | None]
    setting: str | None = None
    job: str | None = None
    count: Count = "rows"


def _for_ever(_: Settings) -> None:
    return None


def _days(get: Callable[[Settings], int]) -> Callable[[Settings], timedelta | None]:
    """So many days; none for zero, which keeps all."""
    return lambda settings: timedelta(days=get(settings)) or None


KINDS = (
    Kind("usage_events", "usage_events", "received_at", _for_ever, count="ids"),
    Kind(
        "usage_lines",
        "usage_lines",
        "received_month",
        _days(lambda settings: settings.retention.usage_lines_months * DAYS_IN_MONTH_MAX),
        setting="retention.usage_lines_months",
        count="none",
    ),
    Kind("ledger", "ledger_transactions", "posted_at", _for_ever, count="ids"),
    Kind("audit", "audit_entries", "at", _for_ever, count="ids"),
    Kind("grants", "grants", "granted_at", _for_ever, count="none"),
    Kind("closings", "closings", "closed_at", _for_ever),
    Kind("statements", "statements", "month", _for_ever, count="ids"),
    Kind("statement_mails", "statement_mails", "begun_at", _for_ever, count="ids"),
    Kind("users", "users", "created_at", _for_ever),
    Kind(
        "profiles",
        "users",
        "created_at",
        _days(lambda settings: settings.retention.profiles_inactive_days),
        setting="retention.profiles_inactive_days",
        job="forget_profiles",
        count="none",
    ),
    Kind(
        "visitor_sessions",
        "visitor_sessions",
        "opened_at",
        lambda _: SESSIONS_KEPT,
        job="prune_sessions",
    ),
    Kind(
        "tokens",
        "tokens",
        "created_at",
        _days(lambda settings: settings.retention.tokens_days),
        setting="retention.tokens_days",
        job="prune_tokens",
    ),
    Kind(
        "refusals",
        "refusals",
        "at",
        _days(lambda settings: settings.hooks.refusals_days),
        setting="hooks.refusals_days",
        job="prune_refusals",
    ),
    Kind("link_calls", "link_calls", "last_at", _for_ever),
    Kind(
        "quarantine",
        "quarantined_finishes",
        "received_at",
        _days(lambda settings: settings.hooks.quarantine_days),
        setting="hooks.quarantine_days",
        job="prune_quarantine",
    ),
    Kind(
        "unfinished",
        "unfinished_turns",
        "asked_at",
        _days(lambda settings: settings.retention.unfinished_days),
        setting="retention.unfinished_days",
        job="prune_unfinished",
    ),
    Kind(
        "jobs",
        "jobs",
        "created_at",
        _days(lambda settings: settings.retention.jobs_days),
        setting="retention.jobs_days",
        job="prune_background_jobs",
    ),
    Kind(
        "alerts",
        "alerts",
        "opened_at",
        _days(lambda settings: settings.alerts.kept_days),
        setting="alerts.kept_days",
        job="prune_alerts",
    ),
    Kind(
        "alert_deliveries",
        "alert_deliveries",
        "created_at",
        _days(lambda settings: settings.alerts.kept_days),
        setting="alerts.kept_days",
        job="prune_alerts",
    ),
    Kind(
        "findings",
        "findings",
        "first_seen_at",
        _days(lambda settings: settings.alerts.kept_days),
        setting="alerts.kept_days",
        job="prune_alerts",
    ),
    Kind("schedules", "schedules", "created_at", _for_ever),
    Kind(
        "deliveries",
        "deliveries",
        "created_at",
        _days(lambda settings: settings.deliveries.kept_days),
        setting="deliveries.kept_days",
        job="prune_deliveries",
    ),
    Kind(
        "schedule_runs",
        "schedule_runs",
        "due_at",
        _days(lambda settings: settings.deliveries.kept_days),
        setting="deliveries.kept_days",
        job="prune_deliveries",
    ),
    Kind(
        "export_files",
        "jobs",
        "created_at",
        _days(lambda settings: settings.exports.kept_days),
        setting="exports.kept_days",
        job="prune_exports",
        count="none",
    ),
    Kind(
        "operator_sessions",
        "operator_sessions",
        "created_at",
        lambda settings: timedelta(seconds=settings.admin.session_max_age_s),
        setting="admin.session_max_age_s",
        job="prune_operators",
    ),
    Kind(
        "login_failures",
        "login_failures",
        "at",
        lambda _: timedelta(hours=1),
        job="prune_operators",
    ),
    Kind("saved_views", "saved_views", "created_at", _for_ever),
    Kind("report_sums", "usage_days", "day", _for_ever, count="none"),
)
"""In the order in which they are shown: the books, people, what was seen, operators."""

BY_NAME = {kind.name: kind for kind in KINDS}
