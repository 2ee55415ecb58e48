"""What operators have done in the service whose console is opened: closings, schedules, credit."""

import uuid
from datetime import UTC, date, datetime, timedelta

from app.background import export, handlers
from app.background.periodic import enqueue_at
from app.closings import closing
from app.closings.months import month_after, window
from app.closings.ordering import order_of
from app.deliveries import destination_commands
from app.deliveries.destination_commands import DestinationSpec
from app.funding import changes, grants
from app.funding.changes import Change
from app.funding.grants import Grace
from app.money import NANO
from app.saved_views import commands as view_commands
from app.saved_views.commands import Owner, ViewSpec
from app.schedules import commands as schedule_commands
from app.schedules import running
from app.schedules.commands import By, ScheduleSpec
from app.schedules.kinds import KINDS

from running_service import ACTOR, Service, wait_for

MONTHS_BACK = 9
"""Where the first month that is closed lies: each test that closes one takes the next."""


def month_to_close(service: Service) -> int:
    """The month after the last one that is closed."""
    last = service.rows("SELECT max(month) FROM closings")[0][0]
    if last is not None:
        return month_after(last)
    past = date.today().replace(day=15) - timedelta(days=30 * MONTHS_BACK)  # noqa: DTZ011
    return past.year * 100 + past.month


def pay_in(service: Service, user_id: int, month: int) -> None:
    """Something to stand on the statement of the month."""
    desk = service.desk()
    middle = window(month, desk.settings.zone).starts_at + timedelta(days=14)
    change = Change(user_id, 250 * NANO, "CNY", "order 4711", uuid.uuid4().hex)
    changes.top_up(desk.db, change, actor=ACTOR, now=middle)
    desk.close()


def close_month(service: Service, month: int) -> None:
    desk = service.desk()
    order = order_of(desk.settings, month, actor=ACTOR, now=desk.now, reason="it is over")
    for _ in closing.close(desk.db, order):
        pass
    desk.close()


def statement_of(service: Service, user_id: int) -> str:
    """The number of the user's last statement."""
    year, ordinal = service.rows(
        "SELECT year, ordinal FROM statements WHERE user_id = :user ORDER BY month DESC LIMIT 1",
        user=user_id,
    )[0]
    return f"{year}-{ordinal:06}"


def give_credit(service: Service, user_id: int) -> int:
    """The grant's transaction."""
    desk = service.desk()
    grace = Grace(
        user_id=user_id,
        amount=5 * NANO,
        currency="CNY",
        reason="welcome",
        idempotency_key=uuid.uuid4().hex,
        expires_at=desk.now + timedelta(days=5),
    )
    given = grants.grant(desk.db, grace, actor=ACTOR, now=desk.now)
    desk.close()
    return given.transaction_id


def add_directory(service: Service) -> tuple[int, str]:
    """A destination, and what it is called."""
    name = f"disk {uuid.uuid4().hex[:6]}"
    desk = service.desk()
    with desk.change() as session:
        spec = DestinationSpec(name=name, kind="directory", path="finance/usage")
        added = destination_commands.add(session, spec, keys=desk.keys, actor=ACTOR, now=desk.now)
        found = added.destination.id
    desk.close()
    return found, name


def keep_view(service: Service, owner: str, name: str) -> int:
    """A view of the usage page that everybody sees."""
    desk = service.desk()
    with desk.change() as session:
        spec = ViewSpec(page="usage", name=name, query="by=link", is_shared=True)
        found = view_commands.create(session, spec, owner=Owner(owner), now=desk.now).id
    desk.close()
    return found


def deliver_report(service: Service, destination_id: int) -> tuple[int, int]:
    """A schedule that has run, and its delivery."""
    name = f"weekly {uuid.uuid4().hex[:6]}"
    view_id = keep_view(service, ACTOR.name, name)
    desk = service.desk()
    by = By(ACTOR, ACTOR.name, desk.now)
    spec = ScheduleSpec(
        name=name,
        kind="report",
        every="week",
        destination_ids=(destination_id,),
        parameters={"view_id": view_id},
    )
    with desk.change() as session:
        schedule = schedule_commands.add(session, spec, kinds=KINDS, by=by)
        running.run_now(session, schedule, enqueue=enqueue_at(desk.now), kinds=KINDS, by=by)
        schedule_id = schedule.id
    desk.close()
    find = "SELECT max(id) FROM deliveries WHERE status = 'delivered' AND destination_id = :to"
    wait_for(lambda: service.rows(find, to=destination_id)[0][0] is not None, service.log)
    return schedule_id, service.rows(find, to=destination_id)[0][0]


def make_export(service: Service) -> int:
    """One that a worker has made."""
    now = datetime.now(UTC)
    desk = service.desk()
    asked = export.Parameters(table="events", since=now - timedelta(days=30), until=now)
    with desk.change() as session:
        made = handlers.enqueue(session, export.KIND, asked, actor=ACTOR, now=now).id
    desk.close()
    done = "SELECT 1 FROM jobs WHERE id = :id AND state = 'done'"
    wait_for(lambda: bool(service.rows(done, id=made)), service.log)
    return made
