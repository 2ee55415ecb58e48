"""How the service itself fares, held against the rules of alerts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

from sqlalchemy.orm import Session

from app.alarms.around import ALERTS_MAX, Around, Observations
from app.alerts import judging
from app.alerts.conditions import (
    FilesFailing,
    FindingsOpen,
    Quarantine,
    RefusalSpike,
    Rulebook,
    UnfinishedTurns,
    at_most,
)
from app.alerts.judging import Counted
from app.alerts.notices import Observation
from app.findings import store as findings_store
from app.metering import store as metering_store
from app.statements import selfaudit

BEFORE = timedelta(days=1)
"""What refusals are compared with."""
ELSEWHERE = frozenset({"quarantine_unresolved", "turns_unfinished", "spool_waits"})
"""Findings that a condition of their own speaks of."""
_MESSAGE_MAX = 400


def observe(session: Session, around: Around, rules: Rulebook, now: datetime) -> Observations:
    """Refusals, findings, unfinished turns, the quarantine, and files that do not arrive."""
    return [
        *_refusals(session, around, rules, now),
        *_findings(session, rules),
        *_unfinished(session, around, rules, now),
        *_quarantine(session, rules),
        *_files(session, around, rules),
    ]


def _refusals(
    session: Session, around: Around, rules: Rulebook, now: datetime
) -> Iterator[Observation]:
    rule = rules.rule("refusal_spike")
    if not rule.is_enabled:
        return
    wanted = cast("RefusalSpike", rule.thresholds)
    # Whole hours, for that is how they are counted: this one and the one before.
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    lately = Counted(around.count_refusals(session, since, now), _hours(now - since))
    before = Counted(around.count_refusals(session, since - BEFORE, since), _hours(BEFORE))
    found = judging.spikes(lately, before, count_min=wanted.count_min, factor=wanted.factor)
    for code, (count, expected) in found.items():
        if code not in wanted.ignored:
            facts: dict[str, str | int] = {"code": code, "count": count, "expected": expected}
            yield Observation("refusal_spike", f"code:{code}", code, rule.severity, facts)


def _findings(session: Session, rules: Rulebook) -> Iterator[Observation]:
    rule = rules.rule("findings")
    if not rule.is_enabled:
        return
    ignored = ELSEWHERE.union(cast("FindingsOpen", rule.thresholds).ignored)
    for one in findings_store.count_open(session):
        if one.code in ignored:
            continue
        # What stands around the books makes no charge wrong: it can wait until the morning.
        is_mild = one.code in selfaudit.CODES
        severity = at_most(rule.severity, "warning") if is_mild else rule.severity
        facts: dict[str, str | int] = {
            "code": one.code,
            "count": one.count,
            "message": one.message[:_MESSAGE_MAX],
        }
        yield Observation("findings", f"code:{one.code}", one.code, severity, facts)


def _unfinished(
    session: Session, around: Around, rules: Rulebook, now: datetime
) -> Iterator[Observation]:
    rule = rules.rule("unfinished_turns")
    if not rule.is_enabled:
        return
    wanted = cast("UnfinishedTurns", rule.thresholds)
    unfinished, asked, _ = selfaudit.count_unfinished(session, around.zone, now)
    if judging.is_share(unfinished, asked, count_min=wanted.count_min, percent=wanted.percent):
        facts: dict[str, str | int] = {"unfinished": unfinished, "asked": asked}
        yield Observation("unfinished_turns", "all", "", rule.severity, facts)


def _quarantine(session: Session, rules: Rulebook) -> Iterator[Observation]:
    rule = rules.rule("quarantine")
    if not rule.is_enabled:
        return
    count = metering_store.count_quarantined(session)
    if count >= cast("Quarantine", rule.thresholds).count_min:
        yield Observation("quarantine", "all", "", rule.severity, {"count": count})


def _files(session: Session, around: Around, rules: Rulebook) -> Iterator[Observation]:
    rule = rules.rule("files_failing")
    if not rule.is_enabled:
        return
    count_min = cast("FilesFailing", rule.thresholds).count_min
    for one in around.find_failing(session)[:ALERTS_MAX]:
        if one.count >= count_min:
            facts: dict[str, str | int] = {"count": one.count, "error": one.error[:_MESSAGE_MAX]}
            yield Observation("files_failing", one.subject, one.name, rule.severity, facts)


def _hours(span: timedelta) -> Decimal:
    return Decimal(int(span.total_seconds())) / 3600
