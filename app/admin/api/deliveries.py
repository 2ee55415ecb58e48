"""``/destinations``, ``/deliveries``, ``/schedules`` and ``/schedule-runs``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import deliveries, destinations, schedules
from app.admin.resources.deliveries import (
    FileDeliveryDetail,
    FileDeliveryOut,
    FileDeliveryPage,
    FileDeliveryQuery,
)
from app.admin.resources.destinations import (
    FileDestinationAdded,
    FileDestinationOut,
    FileDestinationPage,
    FileSecretOut,
    ProbeOut,
    SecretOverlap,
)
from app.admin.resources.schedules import KindsOut, RunOut, RunPage, ScheduleOut, SchedulePage
from app.deliveries.destination_commands import DestinationChange, DestinationSpec
from app.schedules.commands import ScheduleChange, ScheduleSpec

section = Section("deliveries", "Schedules and deliveries")

DESTINATION = "/destinations/<int:destination_id>"
DELIVERY = "/deliveries/<int:delivery_id>"
SCHEDULE = "/schedules/<int:schedule_id>"


@section.get("/destinations", permission="deliveries:read")
def list_destinations(desk: Desk) -> FileDestinationPage:
    """List where files go."""
    return destinations.index(desk)


@section.post("/destinations", permission="deliveries:write", status=201)
def add_destination(desk: Desk, body: DestinationSpec) -> FileDestinationAdded:
    """Add a destination.

    The secret of a webhook is in this answer and never shown again.
    """
    return destinations.add(desk, body)


@section.get(DESTINATION, permission="deliveries:read", versioned=True)
def get_destination(desk: Desk, destination_id: int) -> FileDestinationOut:
    """Show one destination."""
    return destinations.show(desk, destination_id)


@section.patch(DESTINATION, permission="deliveries:write", versioned=True)
def update_destination(
    desk: Desk, destination_id: int, body: DestinationChange
) -> FileDestinationOut:
    """Change a destination.

    Only what is given changes; secrets are replaced. What waits goes by the new values.
    """
    return destinations.update(desk, destination_id, body)


@section.delete(DESTINATION, permission="deliveries:write")
def remove_destination(desk: Desk, destination_id: int) -> None:
    """Remove a destination with its secrets and deliveries; not while schedules send there."""
    destinations.remove(desk, destination_id)


@section.post(f"{DESTINATION}/test", permission="deliveries:write")
def test_destination(desk: Desk, destination_id: int) -> ProbeOut:
    """Write a small object there and remove it again, and say in one sentence what came of it."""
    return destinations.probe(desk, destination_id)


@section.post(f"{DESTINATION}/rotate-secret", permission="deliveries:write")
def rotate_destination_secret(
    desk: Desk, destination_id: int, body: SecretOverlap
) -> FileSecretOut:
    """Give a webhook a new secret, shown this once; the old one signs beside it for a while."""
    return destinations.rotate_secret(desk, destination_id, body)


@section.get("/deliveries", permission="deliveries:read")
def list_deliveries(desk: Desk, query: FileDeliveryQuery) -> FileDeliveryPage:
    """List deliveries and what became of them, newest first."""
    return deliveries.index(desk, query)


@section.get(DELIVERY, permission="deliveries:read")
def get_delivery(desk: Desk, delivery_id: int) -> FileDeliveryDetail:
    """Show one delivery, with its manifest and the attempts at it."""
    return deliveries.show(desk, delivery_id)


@section.post(f"{DELIVERY}/retry", permission="deliveries:write")
def retry_delivery(desk: Desk, delivery_id: int) -> FileDeliveryOut:
    """Send a delivery again, under the same names."""
    return deliveries.retry(desk, delivery_id)


@section.post(f"{DELIVERY}/give-up", permission="deliveries:write")
def give_up_delivery(desk: Desk, delivery_id: int) -> FileDeliveryOut:
    """Try a delivery no more."""
    return deliveries.give_up(desk, delivery_id)


@section.get("/schedule-kinds", permission="deliveries:read")
def list_schedule_kinds(desk: Desk) -> KindsOut:
    """Say what can be scheduled, with which parameters, and how often."""
    return schedules.kinds(desk)


@section.get("/schedules", permission="deliveries:read")
def list_schedules(desk: Desk) -> SchedulePage:
    """List what is made and sent regularly, with the last run of each."""
    return schedules.index(desk)


@section.post("/schedules", permission="deliveries:write", status=201)
def add_schedule(desk: Desk, body: ScheduleSpec) -> ScheduleOut:
    """Make and send something regularly.

    Its first run is at the next time that is due. It may use the caller's saved views, and
    shared ones.
    """
    return schedules.add(desk, body)


@section.get(SCHEDULE, permission="deliveries:read", versioned=True)
def get_schedule(desk: Desk, schedule_id: int) -> ScheduleOut:
    """Show one schedule."""
    return schedules.show(desk, schedule_id)


@section.patch(SCHEDULE, permission="deliveries:write", versioned=True)
def update_schedule(desk: Desk, schedule_id: int, body: ScheduleChange) -> ScheduleOut:
    """Change a schedule.

    Only what is given changes. A new time counts from now on: nothing is caught up for it.
    """
    return schedules.update(desk, schedule_id, body)


@section.delete(SCHEDULE, permission="deliveries:write")
def remove_schedule(desk: Desk, schedule_id: int) -> None:
    """Remove a schedule with its history; what it delivered stays where it is."""
    schedules.remove(desk, schedule_id)


@section.post(f"{SCHEDULE}/run", permission="deliveries:write", status=202)
def run_schedule(desk: Desk, schedule_id: int) -> RunOut:
    """Make and send the last whole period now; anew, if it was made before."""
    return schedules.run_now(desk, schedule_id)


@section.get(f"{SCHEDULE}/runs", permission="deliveries:read")
def list_schedule_runs(desk: Desk, schedule_id: int, query: PageQuery) -> RunPage:
    """List the runs of a schedule, newest first."""
    return schedules.runs(desk, schedule_id, query)


@section.post("/schedule-runs/<int:run_id>/again", permission="deliveries:write", status=202)
def run_schedule_again(desk: Desk, run_id: int) -> RunOut:
    """Make a run of before anew and send it again, under the same names."""
    return schedules.run_again(desk, run_id)
