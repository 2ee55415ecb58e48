"""The migrations make exactly what the models say, and the books refuse to be changed."""

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from app import schema
from app.audit import journal
from app.db import Database, DatabaseBusy
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.metering.models import UsageArchive
from app.pricing.models import PriceVersion
from app.tables import metadata

from books import make_event, make_link, make_users
from zygote import NURSERY

APPEND_ONLY = [
    "audit_entries",
    "price_versions",
    "usage_events",
    "usage_lines",
    "usage_archives",
    "ledger_transactions",
    "ledger_postings",
]


@pytest.fixture
def empty_db(db: Database) -> Database:
    schema.downgrade(db, "base")
    return db


@pytest.fixture
def full_db(db: Database, now) -> Database:
    """A database with a row in each append-only table."""
    with db.begin() as session:
        user_id, link_id = make_users(session, now)[0], make_link(session, now)
        event_id = make_event(session, key="e", user_id=user_id, link_id=link_id, now=now)
        wallet = lock_wallet(session, user_id, currency="CNY", now=now)
        entry = Entry("charge", 0, "revenue", "e", "finish", event_id=event_id)
        post(session, wallet, entry, now=now)
        journal.record(
            session, actor=journal.Actor("a", "cli"), action="x.y", subject=("x", 1), now=now
        )
        session.add(
            UsageArchive(
                received_month=202611,
                part=1,
                action="created",
                at=now,
                actor="test",
                after_event=0,
                last_event=event_id,
                line_count=1,
                sha256="",
                manifest={},
            )
        )
        session.add(
            PriceVersion(
                effective_at=now, document={}, digest="d", created_at=now, created_by="test"
            )
        )
    return db


def count(db: Database, table: str) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(metadata.tables[table]))


def test_migrated_schema_equals_the_models(db: Database):
    assert schema.differences(db) == []
    assert schema.current(db) == schema.head()


def test_migrated_check_constraints_equal_those_of_the_models(db: Database):
    # The comparison above does not look at them.
    with db.read() as session:
        inspector = sa.inspect(session.connection())
        for name, table in metadata.tables.items():
            in_models = {c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            assert {c["name"] for c in inspector.get_check_constraints(name)} == in_models, name


def test_migration_texts_of_checks_are_those_of_the_models():
    texts = [path.read_text() for path in sorted(schema.MIGRATIONS.glob("versions/*.py"))]
    migrated = re.sub(r"\s+|\"", "", "".join(texts))
    for table in metadata.tables.values():
        for check in table.constraints:
            if isinstance(check, sa.CheckConstraint):
                assert re.sub(r"\s+", "", str(check.sqltext)) in migrated


def test_migrations_are_numbered_in_order_and_end_in_one_head():
    files = sorted(Path(schema.MIGRATIONS, "versions").glob("[0-9]*.py"))
    numbers = [int(path.name[:4]) for path in files]
    assert numbers == list(range(1, len(files) + 1))
    script = ScriptDirectory(str(schema.MIGRATIONS))
    assert script.get_heads() == [f"{numbers[-1]:04}"]
    for revision in script.walk_revisions():
        assert Path(revision.path).name.startswith(revision.revision)


def test_downgrade_leaves_nothing_and_upgrade_brings_it_back(empty_db: Database):
    with empty_db.read() as session:
        assert set(sa.inspect(session.connection()).get_table_names()) == {"alembic_version"}
        if empty_db.dialect == "postgresql":
            left = session.scalar(
                sa.text("SELECT count(*) FROM pg_proc WHERE proname LIKE 'shareauth%'")
            )
            assert left == 0
    assert schema.current(empty_db) is None
    schema.upgrade(empty_db)
    assert schema.differences(empty_db) == []


def test_downgrade_works_when_the_books_are_full(full_db: Database):
    schema.downgrade(full_db, "base")
    assert schema.current(full_db) is None


def test_several_processes_may_upgrade_at_once(empty_db: Database):
    program = "import sys; from app import db, schema; schema.upgrade(db.Database(sys.argv[1]))"
    url = empty_db.url.render_as_string(hide_password=False)
    processes = [NURSERY.start_python(program, url) for _ in range(3)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert schema.differences(empty_db) == []


def test_migration_steps_aside_for_who_holds_a_table_and_comes_back(full_db: Database, monkeypatch):
    if full_db.dialect == "sqlite":
        pytest.skip("SQLite locks no tables")
    monkeypatch.setattr(schema, "LOCK_TIMEOUT_MS", 50)
    busy = []
    other = Database(full_db.url.render_as_string(hide_password=False))
    with other.read() as session:  # an old version's report, say
        session.execute(sa.text("SELECT * FROM links"))
        monkeypatch.setattr("app.db.time.sleep", busy.append)
        with pytest.raises(DatabaseBusy):
            schema.downgrade(full_db, "base")
    assert len(busy) == schema.ATTEMPTS - 1
    assert schema.current(full_db) == schema.head()
    schema.downgrade(full_db, "base")
    assert schema.current(full_db) is None
    other.close()


def test_upgrade_gives_its_connection_back_with_its_own_timeouts(empty_db: Database):
    schema.upgrade(empty_db)
    if empty_db.dialect == "postgresql":
        with empty_db.read() as session:
            assert session.scalar(sa.text("SHOW lock_timeout")) == "5s"
            assert session.scalar(sa.text("SHOW statement_timeout")) == "30s"


STATEMENTS = {
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "DELETE": "DELETE FROM {table}",
    "TRUNCATE": "TRUNCATE {table} CASCADE",
    "REPLACE": "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
}


@pytest.mark.parametrize("verb", STATEMENTS)
def test_append_only_tables_refuse_changes(full_db: Database, verb):
    only_on = {"TRUNCATE": "postgresql", "REPLACE": "sqlite"}
    if only_on.get(verb, full_db.dialect) != full_db.dialect:
        return  # the other database has no such statement
    for table in APPEND_ONLY:
        column = next(iter(metadata.tables[table].primary_key)).name
        statement = STATEMENTS[verb].format(table=table, column=column)
        with (
            pytest.raises(sa.exc.IntegrityError, match="append-only"),
            full_db.begin() as session,
        ):
            session.execute(sa.text(statement))
        assert count(full_db, table) == 1 + (table == "ledger_postings")


def test_replacing_by_another_unique_key_is_refused(full_db: Database):
    if full_db.dialect != "sqlite":
        return
    columns = [c.name for c in metadata.tables["usage_events"].columns if c.name != "id"]
    names = ", ".join(columns)
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        full_db.begin() as session,
    ):
        session.execute(
            sa.text(
                f"INSERT OR REPLACE INTO usage_events ({names}) SELECT {names} FROM usage_events"
            )
        )


def test_replacing_is_refused_in_other_programs_too(full_db: Database):
    if full_db.dialect != "sqlite":
        return
    with contextlib.closing(sqlite3.connect(full_db.url.database)) as shell:
        for table in [*APPEND_ONLY, "ledger_accounts"]:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                shell.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_accounts",
        "UPDATE ledger_accounts SET name = 'x' WHERE kind = 'wallet'",
        "UPDATE ledger_accounts SET currency = 'USD'",
        "UPDATE ledger_accounts SET user_id = NULL",
    ],
)
def test_accounts_keep_their_rows_names_owners_and_currency(full_db: Database, statement):
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        full_db.begin() as session,
    ):
        session.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET status = 'gone'",
        "UPDATE links SET status = 'gone'",
        "UPDATE links SET price_multiplier = -1",
        "UPDATE links SET counting = 'twice'",
        "UPDATE ledger_accounts SET balance = 1 WHERE kind = 'house'",
        "UPDATE ledger_accounts SET version = -1",
    ],
)
def test_values_that_mean_nothing_are_refused(full_db: Database, statement):
    with pytest.raises(sa.exc.IntegrityError, match="ck_"), full_db.begin() as session:
        session.execute(sa.text(statement))
