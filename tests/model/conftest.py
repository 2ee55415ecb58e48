"""A fresh database for every run of the model, of the kind the test was asked for."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Iterator[str]]:
    """Makes the address of a fresh, migrated database; of the kind the test was asked for."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")

        def sqlite() -> Iterator[str]:
            path = tmp_path / f"{uuid.uuid4().hex}.sqlite3"
            shutil.copyfile(template, path)
            yield f"sqlite:///{path}"
            for left in tmp_path.glob(f"{path.name}*"):
                left.unlink()

        return sqlite
    url = request.getfixturevalue("postgres_url")
    template = request.getfixturevalue("postgres_template")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def postgresql() -> Iterator[str]:
        name = f"model_{uuid.uuid4().hex[:12]}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")

    return postgresql
