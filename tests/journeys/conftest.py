"""Fixtures of the journeys; what they start is in ``running_service``."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
import sqlalchemy as sa

from running_service import Service, start_service
from valkey_fixtures import ValkeyProcess


@pytest.fixture(scope="session")
def private_dir() -> Iterator[Path]:
    """Short, for unix sockets lie in it."""
    path = Path(mkdtemp(prefix="sa-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def embedded_service(private_dir: Path) -> Iterator[Service]:
    """What ``make run`` starts: SQLite, the bundled Valkey, four workers."""
    service = start_service({}, private_dir / "embedded")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def production_service(private_dir: Path, postgres_url: str) -> Iterator[Service]:
    """The same on PostgreSQL and a Redis run by somebody else."""
    folder = private_dir / "redis"
    folder.mkdir()
    redis = ValkeyProcess(folder)
    name = f"service_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    environ = {
        "SHAREAUTH_DATABASE__URL": sa.make_url(postgres_url)
        .set(database=name)
        .render_as_string(hide_password=False),
        "SHAREAUTH_REDIS__URL": redis.url,
        "SHAREAUTH_SERVICE__SECRET_KEY": "for tests only, for tests only, for tests",
    }
    service = start_service(environ, private_dir / "production")
    yield service
    service.stop()
    redis.kill()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture(params=["embedded", "production"])
def service(request: pytest.FixtureRequest) -> Service:
    """Every journey that asks for it is made on both set-ups."""
    service: Service = request.getfixturevalue(f"{request.param}_service")
    # Another journey's connections may have been idle for just as long as the service keeps them.
    service.pool.clear()
    return service
