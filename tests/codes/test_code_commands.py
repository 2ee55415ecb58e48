"""Batches of codes: kept as digests, shown until they are printed, paused and cancelled."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.codes import commands, notation, store
from app.codes.commands import PRINTABLE_FOR, BatchCancelled, BatchSpec, CodesNotPrintable
from app.codes.models import RedemptionCode
from app.errors import Conflict, Invalid
from pydantic import ValidationError

from books import NANO

ACTOR = Actor("alice", "cli")


def make(db, keys, now, **more):
    values = {"name": "spring", "amount": 20 * NANO, "currency": "CNY", "count": 3} | more
    with db.begin() as session:
        return commands.create(session, BatchSpec(**values), keys=keys, actor=ACTOR, now=now)


def printable(db, keys, batch, now):
    with db.begin() as session:
        return commands.load_printable(session, batch, keys=keys, actor=ACTOR, now=now)


def change(db, verb, batch, now, **more):
    with db.begin() as session:
        return getattr(commands, verb)(session, batch, actor=ACTOR, now=now, **more)


def actions(db):
    with db.read() as session:
        return list(session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)))


def test_codes_are_shown_again_until_they_are_printed(db, keys, now):
    batch = make(db, keys, now)
    first = printable(db, keys, batch, now)
    again = printable(db, keys, batch, now + PRINTABLE_FOR - timedelta(seconds=1))
    assert first == again
    assert [one.serial for one in first] == [1, 2, 3]
    assert len({one.text for one in first}) == 3
    batch = change(db, "confirm_printed", batch, now)
    change(db, "confirm_printed", batch, now)
    with pytest.raises(CodesNotPrintable):
        printable(db, keys, batch, now)
    assert actions(db) == ["codes.create", "codes.print", "codes.print", "codes.confirm_printed"]


def test_nothing_that_is_stored_tells_a_code(db, keys, now):
    batch = make(db, keys, now)
    texts = [one.text for one in printable(db, keys, batch, now)]
    with db.read() as session:
        rows = session.execute(sa.select(RedemptionCode.__table__)).all()
        audit = session.execute(sa.select(AuditEntry.__table__)).all()
    stored = repr([rows, audit])
    assert not any(text in stored or text.replace("-", "") in stored for text in texts)
    assert keys.code_digest(notation.parse(texts[0])) in stored
    change(db, "confirm_printed", batch, now)
    with db.read() as session:
        assert store.list_sealed(session, batch.id) == []


def test_texts_that_nobody_printed_are_forgotten_in_time(db, keys, now):
    batch, younger = make(db, keys, now), make(db, keys, now + timedelta(hours=1), name="younger")
    with pytest.raises(CodesNotPrintable):
        printable(db, keys, batch, now + PRINTABLE_FOR)
    with db.begin() as session:
        forgotten = commands.forget_overdue_texts(session, actor=ACTOR, now=now + PRINTABLE_FOR)
    with db.read() as session:
        assert forgotten == 1
        assert store.list_sealed(session, batch.id) == []
        assert len(store.list_sealed(session, younger.id)) == 3


def test_a_cancelled_batch_stays_cancelled_and_shows_nothing(db, keys, now):
    batch = make(db, keys, now)
    change(db, "set_paused", batch, now, paused=True)
    change(db, "set_paused", batch, now, paused=False)
    batch = change(db, "cancel", batch, now, reason="misprint")
    assert batch.status == "cancelled"
    with pytest.raises(BatchCancelled):
        change(db, "set_paused", batch, now, paused=False)
    with pytest.raises(CodesNotPrintable):
        printable(db, keys, batch, now)
    assert actions(db) == ["codes.create", "codes.pause", "codes.resume", "codes.cancel"]


def test_a_batch_has_a_name_of_its_own_and_a_future(db, keys, now):
    make(db, keys, now)
    with pytest.raises(Conflict) as taken:
        make(db, keys, now)
    assert taken.value.code == "code_batch_exists"
    with pytest.raises(Invalid):
        make(db, keys, now, name="late", expires_at=now)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": 2**63},
        {"count": 0},
        {"count": 10_001},
        {"per_user_max": 0},
        {"name": ""},
        {"name": "a\nb"},
        {"note": "\0"},
    ],
)
def test_what_cannot_be_a_batch_is_refused(wrong):
    values = {"name": "spring", "amount": 1, "currency": "CNY", "count": 1}
    with pytest.raises(ValidationError):
        BatchSpec(**values | wrong)
