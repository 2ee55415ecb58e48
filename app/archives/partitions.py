"""The months of usage lines on PostgreSQL: partitions that are there before they are needed."""

from datetime import datetime

from app.db import Database
from app.metering.lines import store


def prepare(db: Database, now: datetime) -> tuple[int, ...]:
    """Make what is missing for this month and the next ones; the months that were made.

    Rows that went to the default partition, because theirs was missing, are put into their own.

    Raises:
        DatabaseBusy: somebody reads or writes there for too long; finishes do not wait for us.
    """
    with db.read() as session:
        if store.examine_partitions(session, now).are_right:
            return ()
    with db.begin() as session:
        return store.prepare_partitions(session, now)
