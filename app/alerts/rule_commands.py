"""What an operator may do to the rules of alerts."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from app.alerts import store
from app.alerts.conditions import DEFAULTS, SUBJECTS, Condition, Rule, Rulebook, Severity
from app.alerts.models import AlertRule
from app.audit import journal
from app.audit.journal import Actor
from app.errors import Invalid

_SUBJECT = re.compile(r"(user|link):[0-9]{1,19}")


class RuleChange(BaseModel):
    """What to change; what is not given stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    is_enabled: bool | None = None
    severity: Severity | None = None
    repeat_after_s: int | None = Field(default=None, ge=0, le=366 * 86400)
    """0: told once, when it opens."""
    thresholds: dict[str, Any] = Field(default_factory=dict)
    """Some of the condition's own; see ``conditions``."""


def load(session: Session) -> Rulebook:
    """The rules in force."""
    rules = [_rule(row) for row in store.list_rules(session)]
    return Rulebook({(rule.condition, rule.subject): rule for rule in rules})


def set_rule(
    session: Session,
    condition: Condition,
    change: RuleChange,
    *,
    subject: str = "",
    actor: Actor,
    now: datetime,
) -> Rule:
    """Change the rule of a condition, or of one subject of it, which begins as that of all.

    Raises:
        Invalid: a threshold the condition does not have or that it cannot have
            (``thresholds_invalid``), or no subject of this condition (``subject_invalid``).
    """
    _check_subject(condition, subject)
    current = load(session).rule(condition, subject)
    thresholds = _changed(current, change.thresholds)
    repeat_after = int(current.repeat_after.total_seconds())
    values: dict[str, Any] = {
        "is_enabled": current.is_enabled if change.is_enabled is None else change.is_enabled,
        "severity": change.severity or current.severity,
        "repeat_after_s": repeat_after if change.repeat_after_s is None else change.repeat_after_s,
        "thresholds": thresholds,
    }
    row = store.find_rule(session, condition, subject)
    before = None if row is None else describe(_rule(row))
    if row is None:
        row = AlertRule(condition=condition, subject=subject, **values)
        session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    rule = _rule(row)
    _record(session, "set", rule, actor=actor, now=now, change=(before, describe(rule)))
    return rule


def reset_rule(
    session: Session, condition: Condition, *, subject: str = "", actor: Actor, now: datetime
) -> Rule:
    """Forget what was changed; the rule that holds from then on."""
    row = store.find_rule(session, condition, subject)
    if row is not None:
        before = describe(_rule(row))
        store.delete_rule(session, row)
        _record(session, "reset", _rule(row), actor=actor, now=now, change=(before, None))
    return load(session).rule(condition, subject)


def describe(rule: Rule) -> dict[str, Any]:
    """The rule as JSON."""
    return {
        "condition": rule.condition,
        "subject": rule.subject,
        "is_enabled": rule.is_enabled,
        "severity": rule.severity,
        "repeat_after_s": int(rule.repeat_after.total_seconds()),
        "thresholds": rule.thresholds.model_dump(mode="json"),
        "is_default": rule.is_default,
    }


def _check_subject(condition: Condition, subject: str) -> None:
    if not subject:
        return
    kind = subject.partition(":")[0]
    if not _SUBJECT.fullmatch(subject) or kind not in SUBJECTS.get(condition, ()):
        raise Invalid(
            f"{condition} has no rule for {subject!r}: only {_kinds(condition)}",
            code="subject_invalid",
        )


def _kinds(condition: Condition) -> str:
    return (
        " or ".join(f"{kind}:ID" for kind in sorted(SUBJECTS.get(condition, ()))) or "one for all"
    )


def _changed(current: Rule, given: Mapping[str, Any]) -> dict[str, Any]:
    merged = current.thresholds.model_dump(mode="json") | dict(given)
    try:
        return type(current.thresholds).model_validate(merged).model_dump(mode="json")
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
        )
        raise Invalid(problems, code="thresholds_invalid") from None


def _rule(row: AlertRule) -> Rule:
    condition = cast("Condition", row.condition)
    return Rule(
        condition=condition,
        thresholds=type(DEFAULTS[condition].thresholds).model_validate(row.thresholds),
        severity=cast("Severity", row.severity),
        repeat_after=timedelta(seconds=row.repeat_after_s),
        is_enabled=row.is_enabled,
        subject=row.subject,
        is_default=False,
    )


def _record(
    session: Session,
    verb: str,
    rule: Rule,
    *,
    actor: Actor,
    now: datetime,
    change: tuple[dict[str, Any] | None, dict[str, Any] | None],
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"alert_rules.{verb}",
        subject=("alert_rule", " ".join(filter(None, (rule.condition, rule.subject)))),
        now=now,
        change=change,
    )
