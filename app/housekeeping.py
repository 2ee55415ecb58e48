"""What is forgotten, and when: rows that nobody needs any more, by the periodic jobs."""

from datetime import datetime, timedelta

import structlog

from app.alerts import store as alert_store
from app.audit.journal import Actor
from app.codes import commands as code_commands
from app.exports.shelf import shelf_in
from app.findings import store as findings_store
from app.jobs import store as job_store
from app.metering import store as metering_store
from app.operators import signin
from app.operators import store as operator_store
from app.people import store as people_store
from app.retention import store as retention_store
from app.retention.kinds import SESSIONS_KEPT
from app.runtime import Runtime
from app.sightings import store as sighting_store
from app.tokens import store as token_store
from app.unfinished import store as unfinished_store

ACTOR = Actor("worker", "worker")

log = structlog.get_logger(__name__)


def prune_sessions(runtime: Runtime, now: datetime) -> None:
    """Forget visitors' sessions that expired a week ago."""
    with runtime.db.begin() as session:
        pruned = token_store.prune_sessions(session, expired_before=now - SESSIONS_KEPT)
        retention_store.note(session, "visitor_sessions", pruned, now)
    if pruned:
        log.info("sessions_pruned", count=pruned)


def prune_operators(runtime: Runtime, now: datetime) -> None:
    """Forget operators' sessions that have ended, and failed sign-ins that count no more."""
    idle = timedelta(seconds=runtime.settings.admin.session_idle_s)
    with runtime.db.begin() as session:
        sessions, failures = operator_store.prune(
            session, now=now, idle_since=now - idle, failures_before=now - signin.WINDOW
        )
        retention_store.note(session, "operator_sessions", sessions, now)
        retention_store.note(session, "login_failures", failures, now)
    if pruned := sessions + failures:
        log.info("operator_sessions_pruned", count=pruned)


def prune_quarantine(runtime: Runtime, now: datetime) -> None:
    """Forget unreadable finishes that were kept for as long as the settings say."""
    kept = timedelta(days=runtime.settings.hooks.quarantine_days)
    with runtime.db.begin() as session:
        pruned = metering_store.prune_quarantined(session, received_before=now - kept)
        retention_store.note(session, "quarantine", pruned, now)
    if pruned:
        log.warning("quarantine_pruned", count=pruned)


def prune_refusals(runtime: Runtime, now: datetime) -> None:
    """Forget why calls were refused as long ago as the settings say."""
    kept = timedelta(days=runtime.settings.hooks.refusals_days)
    with runtime.db.begin() as session:
        pruned = sighting_store.prune(session, before=now - kept)
        retention_store.note(session, "refusals", pruned, now)
    if pruned:
        log.info("refusals_pruned", count=pruned)


def prune_unfinished(runtime: Runtime, now: datetime) -> None:
    """Forget unfinished turns as old as the settings say."""
    kept = timedelta(days=runtime.settings.retention.unfinished_days)
    with runtime.db.begin() as session:
        pruned = unfinished_store.prune(session, asked_before=now - kept)
        retention_store.note(session, "unfinished", pruned, now)
    if pruned:
        log.info("unfinished_turns_pruned", count=pruned)


def prune_background_jobs(runtime: Runtime, now: datetime) -> None:
    """Forget background jobs that ended long ago."""
    kept = timedelta(days=runtime.settings.retention.jobs_days)
    with runtime.db.begin() as session:
        pruned = job_store.prune(session, finished_before=now - kept)
        retention_store.note(session, "jobs", pruned, now)
    if pruned:
        log.info("background_jobs_pruned", count=pruned)


def forget_code_texts(runtime: Runtime, now: datetime) -> None:
    """Drop the sealed text of redemption codes that nobody printed in time."""
    with runtime.db.begin() as session:
        batches = code_commands.forget_overdue_texts(session, actor=ACTOR, now=now)
    if batches:
        log.info("code_texts_forgotten", batches=batches)


def prune_alerts(runtime: Runtime, now: datetime) -> None:
    """Forget deliveries, alerts and findings that were over long ago."""
    before = now - timedelta(days=runtime.settings.alerts.kept_days)
    with runtime.db.begin() as session:
        messages, alerts = alert_store.prune(session, before=before)
        findings = findings_store.prune(session, resolved_before=before)
        for kind, count in (
            ("alert_deliveries", messages),
            ("alerts", alerts),
            ("findings", findings),
        ):
            retention_store.note(session, kind, count, now)
        pruned = messages + alerts + findings
    if pruned:
        log.info("alerts_pruned", count=pruned)


def prune_tokens(runtime: Runtime, now: datetime) -> None:
    """Forget minted tokens that were over as long ago as the settings say."""
    kept = timedelta(days=runtime.settings.retention.tokens_days)
    with runtime.db.begin() as session:
        pruned = people_store.prune_tokens(session, over_before=now - kept)
        retention_store.note(session, "tokens", pruned, now)
    if pruned:
        log.info("tokens_pruned", count=pruned)


def forget_profiles(runtime: Runtime, now: datetime) -> None:
    """Forget names and attributes of users of whom nothing was seen for long, if that is set."""
    days = runtime.settings.retention.profiles_inactive_days
    if not days:
        return
    forgotten = 0
    while True:
        with runtime.db.begin() as session:
            some = people_store.forget_profiles(session, inactive_since=now - timedelta(days=days))
            forgotten += some
            if not some:
                retention_store.note(session, "profiles", forgotten, now)
                break
    if forgotten:
        log.info("profiles_forgotten", count=forgotten)


def prune_exports(runtime: Runtime, now: datetime) -> None:
    """Remove the files of export jobs that lie on this machine for as long as the settings say."""
    kept = timedelta(days=runtime.settings.exports.kept_days)
    pruned = shelf_in(runtime.settings.service.data_dir).prune(now - kept)
    with runtime.db.begin() as session:
        retention_store.note(session, "export_files", pruned, now)
    if pruned:
        log.info("exports_pruned", count=pruned)
