"""At most one process leads, and the next one does as soon as it is gone."""

import pytest
import sqlalchemy as sa
from app.db import Database
from app.leadership import leadership


@pytest.fixture
def other(db: Database):
    """Another process's connections to the same database."""
    database = Database(db.url.render_as_string(hide_password=False))
    yield database
    database.close()


def test_only_one_leads_until_it_gives_up(db, other):
    first, second = leadership(db), leadership(other)
    assert first.is_held()
    assert first.is_held()
    assert not second.is_held()
    first.close()
    assert second.is_held()
    assert not first.is_held()
    second.close()
    first.close()


def test_giving_up_twice_or_without_having_led_is_harmless(db):
    lock = leadership(db)
    lock.close()
    assert lock.is_held()
    lock.close()
    lock.close()


def test_broken_connection_ends_leadership_and_another_takes_over(db, other):
    if db.dialect != "postgresql":
        pytest.skip("a file lock has no connection to lose")
    first, second = leadership(db), leadership(other)
    assert first.is_held()
    with other.engine.connect() as connection:
        terminate = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        connection.execute(terminate)
    assert not first.is_held()
    assert second.is_held()
    assert not first.is_held()
    second.close()
    assert first.is_held()
    first.close()


def test_leading_leaves_no_transaction_open(db):
    if db.dialect != "postgresql":
        pytest.skip("SQLite is not asked")
    lock = leadership(db)
    assert lock.is_held()
    with db.read() as session:
        states = session.scalars(
            sa.text(
                "SELECT state FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks "
                "WHERE locktype = 'advisory') AND datname = current_database()"
            )
        ).all()
    assert states == ["idle"]
    lock.close()
