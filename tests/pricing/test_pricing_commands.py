from datetime import timedelta
from decimal import Decimal

import pytest
from app import revision
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict, Invalid
from app.pricing import commands, store
from app.pricing.book import PriceBook
from app.pricing.commands import PriceSpec
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from books import make_users

ACTOR = Actor(name="ann", source="cli")


def _publish(session, now, per_point="1", effective_at=None, **book):
    spec = PriceSpec(book=PriceBook(per_point=per_point, **book), effective_at=effective_at)
    return commands.publish(session, spec, currency="CNY", actor=ACTOR, now=now)


def test_a_version_applies_from_its_time_until_the_next(db, now):
    hour = timedelta(hours=1)
    with db.begin() as session:
        assert store.find_in_force(session, now) is None
        first = _publish(session, now, "1")
        later = _publish(session, now, "2", effective_at=now + hour)
        assert store.find_in_force(session, now).id == first.id
        assert store.find_in_force(session, now - hour) is None
        assert store.find_in_force(session, now + hour / 2).id == first.id
        assert store.find_in_force(session, now + hour).id == later.id
        assert store.find_next(session, now).id == later.id
        assert store.find_next(session, now + hour) is None
        assert [version.id for version in store.list_all(session)] == [later.id, first.id]


def test_of_two_versions_at_one_moment_the_later_published_wins(db, now):
    with db.begin() as session:
        _publish(session, now, "1")
        second = _publish(session, now, "2")
        assert store.find_in_force(session, now).id == second.id


def test_a_published_book_comes_back_equal(db, now):
    book = PriceBook(per_point="0.123456789", monthly_allowance="5.50")
    with db.begin() as session:
        version = commands.publish(
            session, PriceSpec(book=book, note="autumn"), currency="CNY", actor=ACTOR, now=now
        )
        number = version.id
    with db.read() as session:
        stored = store.get(session, number)
        assert store.book_of(stored) == book
        assert (stored.digest, stored.note, stored.created_by) == (book.digest(), "autumn", "ann")
        assert stored.effective_at == now
        with pytest.raises(store.PriceVersionNotFound):
            store.get(session, number + 1)


def test_publishing_is_audited_and_makes_memories_stale(db, now):
    with db.begin() as session:
        _publish(session, now, "1")
        before = revision.current(session)
        second = _publish(session, now, "2")
        assert revision.current(session) == before + 1
        entry = session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
        assert entry.action == "prices.publish"
        assert entry.object_id == str(second.id)
        assert entry.after["book"]["per_point"] == "2"


def test_only_the_first_version_may_be_back_dated(db, now):
    with db.begin() as session:
        _publish(session, now, "1", effective_at=now - timedelta(days=9))
        with pytest.raises(Invalid) as refused:
            _publish(session, now, "2", effective_at=now - timedelta(seconds=1))
        assert refused.value.code == "too_late"


def test_prices_are_in_the_currency_of_the_wallets(db, now):
    with db.begin() as session, pytest.raises(Invalid) as refused:
        _publish(session, now, currency="EUR")
    assert refused.value.code == "currency_mismatch"


def test_the_same_prices_are_not_published_twice_in_a_row(db, now):
    with db.begin() as session:
        _publish(session, now, "1")
        with pytest.raises(Conflict) as refused:
            _publish(session, now, "1.0")
        assert refused.value.code == "prices_unchanged"
        _publish(session, now, "2")
        _publish(session, now + timedelta(seconds=1), "1")


def test_a_time_without_a_zone_is_refused(now):
    with pytest.raises(ValidationError):
        PriceSpec(book=PriceBook(), effective_at=now.replace(tzinfo=None))


def test_the_database_keeps_versions_as_they_are(db, now):
    with db.begin() as session:
        _publish(session, now, "1")
    with db.begin() as session:
        store.find_in_force(session, now).note = "changed"
        with pytest.raises(DBAPIError):
            session.flush()
        session.rollback()


def test_the_use_of_an_allowance_moves_both_ways_and_never_below_nothing(db, now):
    with db.begin() as session:
        user_id = make_users(session, now)[0]
        months = [(user_id, "2026-11"), (user_id, "2026-12")]
        store.use_allowances(session, {months[0]: 5})
        store.move_allowances(session, {months[0]: -2, months[1]: 4})
        assert store.allowances_used(session, months) == {months[0]: 3, months[1]: 4}
        store.move_allowances(session, {months[0]: -9, months[1]: 0})
        assert store.allowances_used(session, months) == {months[0]: 0, months[1]: 4}


def test_the_use_of_an_allowance_is_kept_by_user_and_month(db, now):
    with db.begin() as session:
        one, two = make_users(session, now, 2)
        months = [(one, "2026-11"), (one, "2026-12"), (two, "2026-11")]
        assert store.allowances_used(session, months) == {}
        store.use_allowances(session, {months[0]: 5, months[2]: 0})
        store.use_allowances(session, {months[0]: 7, months[1]: 1})
        assert store.allowances_used(session, months) == {months[0]: 12, months[1]: 1}
        assert store.allowances_used(session, months[1:]) == {months[1]: 1}
        assert store.allowances_used(session, []) == {}


def test_an_amount_read_from_storage_is_exact(db, now):
    with db.begin() as session:
        version = _publish(session, now, "0.000000001")
        assert store.book_of(version).per_point == Decimal("0.000000001")
