"""The periodic jobs of credit that is granted: it expires, and plans give some every month."""

import functools
from datetime import datetime, timedelta

import structlog

from app.admission.periods import periods_at
from app.funding import expiring
from app.funding.expiring import Renewals
from app.people.monthly import monthly_credit
from app.runtime import Runtime
from app.timetable import Job, every
from app.tokens.issuers import parse_configured

EXPIRE_BATCHES_MAX = 20
"""So many at a time, a second or two, then the other jobs have their turn."""
CATCH_UP_BATCHES_MAX = 4
SPOOL_PATIENCE = timedelta(hours=1)
"""What waits in a spool may have been asked while the credit was good; for no longer than this."""
GIVE_EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


def expire_grants(runtime: Runtime, now: datetime) -> None:
    """Take away what is left of grants that are over, give the new month's, tell the gate.

    As long as this machine's spool holds finishes it waits, so that they are drawn from what was
    good when they came; for an hour at most.
    """
    waits = runtime.spool.status().records > 0
    as_of = now - SPOOL_PATIENCE if waits else now
    lapsed = given = wallets = 0
    for moved in expiring.expire(
        runtime.db,
        currency=runtime.settings.billing.currency,
        renewals=_renewals(runtime, now),
        now=as_of,
        batches=EXPIRE_BATCHES_MAX,
    ):
        runtime.gate.set_balance(moved.user_id, moved.balance, moved.version)
        wallets += 1
        lapsed += moved.lapsed
        given += moved.given
    if wallets:
        log.info("grants_expired", wallets=wallets, lapsed=lapsed, given=given)


def give_monthly_credit(runtime: Runtime, now: datetime) -> None:
    """Give plans' credit of this month to whom the gate never asks the books about.

    That are those who may owe without end: whoever of them anything was booked for this month,
    however long nobody looked. Who may not is given it when they come, or here soon after.
    """
    month = periods_at(now, runtime.settings.zone).month
    recently = max(now - 2 * GIVE_EVERY, month.starts_at)
    for without_asking, since in ((True, month.starts_at), (False, recently)):
        for moved in expiring.give_due(
            runtime.db,
            currency=runtime.settings.billing.currency,
            renewals=_renewals(runtime, now, without_asking=without_asking),
            since=since,
            now=now,
        ):
            runtime.gate.set_balance(moved.user_id, moved.balance, moved.version)


def note_credit(runtime: Runtime, now: datetime) -> None:
    """Note what is left of grants where something was charged since, most of all first.

    Lists show what is noted, and whoever looks at one wallet replays what came after it.
    """
    currency = runtime.settings.billing.currency
    expiring.catch_up(runtime.db, currency=currency, now=now, batches=CATCH_UP_BATCHES_MAX)


def _renewals(runtime: Runtime, now: datetime, *, without_asking: bool = False) -> Renewals:
    settings = runtime.settings
    return functools.partial(
        monthly_credit,
        configured=parse_configured(settings.issuers),
        zone=settings.zone,
        now=now,
        without_asking=without_asking,
    )


JOBS = (
    Job("expire_grants", every(timedelta(seconds=5)), expire_grants),
    Job("give_monthly_credit", every(GIVE_EVERY), give_monthly_credit),
    Job("note_credit", every(timedelta(minutes=1)), note_credit),
)
