"""``/alerts``, ``/alert-rules``, ``/alert-destinations`` and ``/alert-deliveries``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import alert_destinations as destinations
from app.admin.resources import alert_rules as rules
from app.admin.resources import alerts
from app.admin.resources.alert_destinations import (
    AddedOut,
    DestinationOut,
    DestinationPage,
    RotateIn,
    SecretOut,
    VerdictOut,
)
from app.admin.resources.alert_rules import RuleOut, RulePage
from app.admin.resources.alerts import (
    AlertOut,
    AlertPage,
    AlertQuery,
    DeliveryOut,
    DeliveryPage,
    DeliveryQuery,
)
from app.alerts.destination_commands import DestinationChange, DestinationSpec
from app.alerts.rule_commands import RuleChange

section = Section("alerts", "Alerts")

DESTINATION = "/alert-destinations/<int:destination_id>"
DELIVERY = "/alert-deliveries/<int:delivery_id>"


@section.get("/alerts", permission="alerts:read")
def list_alerts(desk: Desk, query: AlertQuery) -> AlertPage:
    """List alerts, newest first; those that are open unless `state` says otherwise."""
    return alerts.index(desk, query)


@section.get("/alerts/<int:alert_id>", permission="alerts:read")
def get_alert(desk: Desk, alert_id: int) -> AlertOut:
    """Show one alert."""
    return alerts.show(desk, alert_id)


@section.get("/alert-rules", permission="alerts:read")
def list_alert_rules(desk: Desk) -> RulePage:
    """List the rules: what is watched, and from where on it is told."""
    return rules.index(desk)


@section.get("/alert-rules/<condition>", permission="alerts:read", versioned=True)
def get_alert_rule(desk: Desk, condition: str) -> RuleOut:
    """Show the rule of a condition."""
    return rules.show(desk, condition)


@section.patch("/alert-rules/<condition>", permission="alerts:write", versioned=True)
def update_alert_rule(desk: Desk, condition: str, body: RuleChange) -> RuleOut:
    """Change the rule of a condition.

    Only what is given changes. It holds from the next look on.
    """
    return rules.update(desk, condition, body)


@section.post("/alert-rules/<condition>/reset", permission="alerts:write")
def reset_alert_rule(desk: Desk, condition: str) -> RuleOut:
    """Forget what was changed about the rule of a condition."""
    return rules.reset(desk, condition)


@section.get("/alert-rules/<condition>/of/<subject>", permission="alerts:read", versioned=True)
def get_alert_rule_of(desk: Desk, condition: str, subject: str) -> RuleOut:
    """Show the rule that holds for one user (`user:7`) or link (`link:3`)."""
    return rules.show(desk, condition, subject)


@section.patch("/alert-rules/<condition>/of/<subject>", permission="alerts:write", versioned=True)
def update_alert_rule_of(desk: Desk, condition: str, subject: str, body: RuleChange) -> RuleOut:
    """Change the rule for one user or link; it begins as that of all."""
    return rules.update(desk, condition, body, subject)


@section.post("/alert-rules/<condition>/of/<subject>/reset", permission="alerts:write")
def reset_alert_rule_of(desk: Desk, condition: str, subject: str) -> RuleOut:
    """Have the rule of all hold again for one user or link."""
    return rules.reset(desk, condition, subject)


@section.get("/alert-destinations", permission="alerts:read")
def list_alert_destinations(desk: Desk) -> DestinationPage:
    """List where alerts go."""
    return destinations.index(desk)


@section.post("/alert-destinations", permission="alerts:write", status=201)
def add_alert_destination(desk: Desk, body: DestinationSpec) -> AddedOut:
    """Add a destination.

    The secret of a webhook is in this answer and never shown again.
    """
    return destinations.add(desk, body)


@section.get(DESTINATION, permission="alerts:read", versioned=True)
def get_alert_destination(desk: Desk, destination_id: int) -> DestinationOut:
    """Show one destination."""
    return destinations.show(desk, destination_id)


@section.patch(DESTINATION, permission="alerts:write", versioned=True)
def update_alert_destination(
    desk: Desk, destination_id: int, body: DestinationChange
) -> DestinationOut:
    """Change a destination.

    Only what is given changes; address and secret are replaced. What waits goes by the new values.
    """
    return destinations.update(desk, destination_id, body)


@section.delete(DESTINATION, permission="alerts:write")
def remove_alert_destination(desk: Desk, destination_id: int) -> None:
    """Remove a destination with its secrets and all messages that wait for it."""
    destinations.remove(desk, destination_id)


@section.post(f"{DESTINATION}/test", permission="alerts:write")
def test_alert_destination(desk: Desk, destination_id: int) -> VerdictOut:
    """Send a test message now, and say whether it was taken."""
    return destinations.test(desk, destination_id)


@section.post(f"{DESTINATION}/rotate-secret", permission="alerts:write")
def rotate_alert_destination_secret(desk: Desk, destination_id: int, body: RotateIn) -> SecretOut:
    """Give a webhook a new secret, shown this once; the old one signs beside it for a while."""
    return destinations.rotate_secret(desk, destination_id, body)


@section.get("/alert-deliveries", permission="alerts:read")
def list_alert_deliveries(desk: Desk, query: DeliveryQuery) -> DeliveryPage:
    """List messages and what became of them, newest first."""
    return alerts.deliveries(desk, query)


@section.get(DELIVERY, permission="alerts:read")
def get_alert_delivery(desk: Desk, delivery_id: int) -> DeliveryOut:
    """Show one message."""
    return alerts.delivery(desk, delivery_id)


@section.post(f"{DELIVERY}/replay", permission="alerts:write")
def replay_alert_delivery(desk: Desk, delivery_id: int) -> DeliveryOut:
    """Send a message again, under the same id: a dead one, or one the receiver has lost."""
    return alerts.replay(desk, delivery_id)
