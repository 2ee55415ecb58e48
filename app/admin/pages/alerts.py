"""Alerts and the rules that give them; where they go is in ``alert_destinations``."""

from typing import Any

from flask import current_app, render_template, request, url_for

from app.admin import access, alert_wording
from app.admin.pages import fields
from app.admin.pages.section import AnyResponse, attempt, done, section, validated
from app.admin.resources import alert_destinations as destinations
from app.admin.resources import alert_rules, alerts
from app.admin.resources.alert_rules import RuleOut
from app.admin.resources.alerts import AlertPage, AlertQuery, DeliveryQuery
from app.alerts.conditions import SEVERITIES, SUBJECTS
from app.alerts.rule_commands import RuleChange
from app.errors import NotFound
from app.pagekit.languages import gettext as _

blueprint = section("alerts", "/alerts")

OPEN_AT_ONCE = 100
REPEATS_S = (0, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400)
"""What a rule offers; 0 is never."""
PAGES_OF_SUBJECTS = {"user": "users.show", "link": "links.show"}


@blueprint.context_processor
def words() -> dict[str, object]:
    return {**alert_wording.NAMES, "subject_url": subject_url}


def subject_url(subject: str) -> str | None:
    """The page of the user or link that an alert or rule is about, where there is one."""
    kind, _sign, rest = subject.partition(":")
    number = rest.partition("/")[0]
    endpoint = PAGES_OF_SUBJECTS.get(kind, "")
    if endpoint not in current_app.view_functions or not number.isdecimal():
        return None
    if not access.desk().may(f"{kind}s:read"):
        return None
    parts: dict[str, Any] = {f"{kind}_id": int(number)}
    return url_for(endpoint, **parts)


@blueprint.get("/")
@access.allow("alerts:read")
def index() -> str:
    """What is open, the worst first, then what was; with a cursor only one of them."""
    desk = access.desk()
    state, cursor = request.args.get("state"), request.args.get("cursor")
    filters = {name: request.args.get(name) or None for name in ("condition", "severity")}
    opened = over = AlertPage(items=[])
    if state == "open" or cursor is None:
        here = cursor if state == "open" else None
        values: dict[str, object] = {**filters, "cursor": here, "limit": OPEN_AT_ONCE}
        opened = alerts.index(desk, validated(AlertQuery, {**values, "state": "open"}))
        opened.items.sort(key=lambda one: -SEVERITIES.index(one.severity))
    if state != "open":
        values = {**filters, "cursor": cursor, "state": "resolved"}
        over = alerts.index(desk, validated(AlertQuery, values))
    return render_template(
        "alerts/index.html",
        opened=opened,
        over=over,
        state=state,
        is_first=cursor is None,
        is_nobody_told=not destinations.index(desk).items,
    )


@blueprint.get("/rules")
@access.allow("alerts:read")
def rules() -> str:
    return render_template("alerts/rules.html", rules=alert_rules.index(access.desk()).items)


@blueprint.get("/rules/<condition>")
@access.allow("alerts:read")
def rule(condition: str) -> str:
    desk, of = access.desk(), _subject()
    found = alert_rules.show(desk, condition, of)
    return render_template(
        "alerts/rule.html",
        found=found,
        of=of,
        of_name=alert_rules.subject_name(desk, of) if of else "",
        subject_kinds=sorted(SUBJECTS.get(found.condition, ())),
        own=[
            one
            for one in alert_rules.index(desk).items
            if one.condition == condition and one.subject
        ],
        repeats=sorted({*REPEATS_S, found.repeat_after_s}),
    )


@blueprint.post("/rules/<condition>")
@access.allow("alerts:write")
def change_rule(condition: str) -> AnyResponse:
    desk, of = access.desk(), _subject()

    def work() -> AnyResponse:
        current = alert_rules.show(desk, condition, of)
        change = validated(
            RuleChange,
            {
                "is_enabled": fields.checked("is_enabled"),
                "severity": request.form.get("severity"),
                "repeat_after_s": request.form.get("repeat_after_s"),
                "thresholds": _thresholds(current),
            },
        )
        alert_rules.update(desk, condition, change, of)
        return done(_("The rule is changed. It holds from the next look on."), "alerts.rules")

    return attempt(work, lambda: rule(condition))


@blueprint.post("/rules/<condition>/reset")
@access.allow("alerts:write")
def reset_rule(condition: str) -> AnyResponse:
    alert_rules.reset(access.desk(), condition, _subject())
    return done(_("The rule is as it was."), "alerts.rules")


@blueprint.get("/deliveries")
@access.allow("alerts:read")
def deliveries() -> str:
    desk = access.desk()
    values = {name: request.args.get(name) or None for name in ("status", "destination_id")}
    query = validated(DeliveryQuery, {**values, "cursor": request.args.get("cursor")})
    return render_template(
        "alerts/deliveries.html",
        page=alerts.deliveries(desk, query),
        destinations=destinations.index(desk).items,
    )


@blueprint.post("/deliveries/<int:delivery_id>/replay")
@access.allow("alerts:write")
def replay(delivery_id: int) -> AnyResponse:
    def work() -> AnyResponse:
        alerts.replay(access.desk(), delivery_id)
        return done(_("It is sent again within seconds, by the worker."), "alerts.deliveries")

    return attempt(work, deliveries)


def _subject() -> str:
    """Whose rule it is: the address says ``of=user:7``, the little form kind and number."""
    of = request.args.get("of", "")
    kind, number = request.args.get("kind"), request.args.get("number", "").strip()
    subject = f"{kind}:{number}" if kind and number else of
    if subject and not all(part.isalnum() for part in subject.split(":")):
        raise NotFound(_("There is no such page."))
    return subject


def _thresholds(rule: RuleOut) -> dict[str, object]:
    """What was typed, as the condition's own model reads it; an empty field is no change."""
    found: dict[str, object] = {}
    for name, value in rule.thresholds.items():
        typed = request.form.get(f"thresholds.{name}")
        if typed is None:
            continue
        if isinstance(value, list):
            found[name] = [
                part.strip() for part in typed.replace("，", ",").split(",") if part.strip()
            ]
        elif typed.strip():
            found[name] = typed.strip()
    return found
