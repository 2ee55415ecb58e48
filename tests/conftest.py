"""What every test may ask for: both databases, a real Valkey, a fixed time, the service's keys."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import hypothesis
import pytest
from app import schema
from app.db import Database
from app.keys import Keys

from moments import NOW

pytest_plugins = ["postgres_fixtures", "valkey_fixtures"]

# A busy machine is no failure: properties are about what holds, not about how fast.
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")
patient = hypothesis.settings.get_profile("patient")
hypothesis.settings.register_profile("ci", parent=patient, max_examples=15)
hypothesis.settings.register_profile("long", parent=patient, max_examples=2000)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys("a secret that is only good for tests, 32+")


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
    databases.give_back(url)
