"""An audit entry stands or falls with the change it speaks of."""

import pytest
import sqlalchemy as sa
from app.audit import journal
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.db import Database

ALICE = Actor("alice", "admin", "192.0.2.7")


def record(session, now, **changes) -> None:
    values = {"actor": ALICE, "action": "links.create", "subject": ("link", 7), "now": now}
    journal.record(session, **(values | changes))


def entries(db: Database) -> list[AuditEntry]:
    with db.read() as session:
        return list(session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)))


def test_entry_says_who_what_when_why_and_what_changed(db: Database, now):
    with db.begin() as session:
        record(session, now, change=({"a": 1}, {"a": "2", "b": None}), reason="asked for")
    (entry,) = entries(db)
    assert (entry.actor, entry.source, entry.address) == ("alice", "admin", "192.0.2.7")
    assert (entry.action, entry.object_type, entry.object_id) == ("links.create", "link", "7")
    assert (entry.before, entry.after) == ({"a": 1}, {"a": "2", "b": None})
    assert (entry.at, entry.reason) == (now, "asked for")


def test_entry_of_a_change_that_failed_is_not_kept(db: Database, now):
    def fail() -> None:
        with db.begin() as session:
            record(session, now)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert entries(db) == []


def test_nothing_before_is_stored_as_nothing(db: Database, now):
    with db.begin() as session:
        record(session, now)
    (entry,) = entries(db)
    assert entry.before is None
    with db.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM audit_entries WHERE before IS NULL"))
