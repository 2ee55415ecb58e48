"""How far the tables go at the beginning of an export, so that it can be made again."""

from app.audit.models import AuditEntry
from app.db import Database
from app.errors import Unavailable
from app.exports.catalogue import Table
from app.exports.scope import Scope
from app.exports.walk import store as walk_store
from app.ledger.models import Transaction
from app.metering.models import UsageEvent
from app.periods import Position
from app.reports.rollup import store as rollup_store
from app.sightings.models import Refusal

_OF_THEIR_OWN = {"refusals": Refusal, "audit": AuditEntry}
TRIES = 10


class BooksBusy(Unavailable):
    """Somebody writes for so long that nobody can say up to where the books are complete."""

    code = "books_busy"


def fixed(db: Database, table: Table, scope: Scope) -> Scope:
    """The scope up to a position below which nothing can appear any more.

    Raises:
        BooksBusy: there is none for now.
    """
    if table.is_of_books and (upto := scope.period.upto) is not None:
        # Its rows end there; nothing that depends on today goes into the file.
        return scope.at(upto, upto.event_id)
    if scope.is_fixed:
        return scope
    own = _OF_THEIR_OWN.get(table.name, UsageEvent)
    tables = (UsageEvent, Transaction, own)
    for _ in range(TRIES):
        with db.read() as session:
            tops = rollup_store.decided(
                session, lambda session: walk_store.top_ids(session, tables), tables
            )
        if tops is not None:
            return scope.at(Position(tops[0], tops[1]), tops[2])
    raise BooksBusy("a transaction writes to the books for very long: try again in a minute")
