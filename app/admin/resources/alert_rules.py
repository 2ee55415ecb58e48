"""Rules of alerts, as the API and the pages show and change them."""

from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.admin import versions
from app.admin.desk import Desk
from app.admin.paging import Page
from app.alerts import rule_commands
from app.alerts.conditions import CONDITIONS, Condition, Rule
from app.alerts.rule_commands import RuleChange
from app.errors import NotFound
from app.links import store as link_store
from app.users import store as user_store


class RuleOut(BaseModel):
    """What is watched, and from where on it is told."""

    condition: Condition
    subject: str = Field(description="Empty for all, else `user:7` or `link:3`.")
    is_enabled: bool
    severity: str
    repeat_after_s: int = Field(description="Told again when it stays open so long; 0: never.")
    thresholds: dict[str, Any] = Field(description="Of this condition alone; amounts are text.")
    is_default: bool = Field(description="Nobody has changed it.")


class RulePage(Page[RuleOut]):
    """Every condition's rule, each followed by those of single users and links."""


def index(desk: Desk) -> RulePage:
    with desk.db.read() as session:
        return RulePage(items=[_out(rule) for rule in rule_commands.load(session).all()])


def show(desk: Desk, condition: str, subject: str = "") -> RuleOut:
    """The rule that holds, also of a subject that has none of its own."""
    known = _condition(condition)
    with desk.db.read() as session:
        return _shown(rule_commands.load(session).rule(known, subject))


def update(desk: Desk, condition: str, change: RuleChange, subject: str = "") -> RuleOut:
    """Change the rule of all, or of one user or link, which begins as that of all.

    Raises:
        NotFound: no such condition, user or link.
        Invalid: a threshold it cannot have, or no subject of this condition.
    """
    known = _condition(condition)
    with desk.db.begin() as session:
        if subject:
            name_of(session, subject)
        versions.check(rule_commands.describe(rule_commands.load(session).rule(known, subject)))
        rule = rule_commands.set_rule(
            session, known, change, subject=subject, actor=desk.actor, now=desk.now
        )
        return _shown(rule)


def reset(desk: Desk, condition: str, subject: str = "") -> RuleOut:
    """Forget what was changed; the rule that holds from then on."""
    known = _condition(condition)
    with desk.db.begin() as session:
        versions.check(rule_commands.describe(rule_commands.load(session).rule(known, subject)))
        return _shown(
            rule_commands.reset_rule(
                session, known, subject=subject, actor=desk.actor, now=desk.now
            )
        )


def name_of(session: Session, subject: str) -> str:
    """What people call ``user:7`` or ``link:3``.

    Raises:
        NotFound: there is no such user or link (``subject_not_found``).
    """
    kind, _, digits = subject.partition(":")
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else 0  # noqa: PLR2004
    name = None
    if 0 < number < 2**63:
        if kind == "link":
            link = link_store.find_by_id(session, number)
            name = None if link is None else link.name
        elif kind == "user":
            user = user_store.find_by_id(session, number)
            name = None if user is None else user.name or user.subject
    if name is None:
        raise NotFound("there is no such user or link", code="subject_not_found")
    return name


def subject_name(desk: Desk, subject: str) -> str:
    with desk.db.read() as session:
        return name_of(session, subject)


def _condition(text: str) -> Condition:
    if text not in CONDITIONS:
        raise NotFound("nothing is watched by this name", code="condition_not_found")
    return text


def _shown(rule: Rule) -> RuleOut:
    versions.show(rule_commands.describe(rule))
    return _out(rule)


def _out(rule: Rule) -> RuleOut:
    return RuleOut.model_validate(rule_commands.describe(rule))
