"""A fresh database for every run of the model, of the kind the test was asked for."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


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
    databases = request.getfixturevalue("postgres_databases")

    def postgresql() -> Iterator[str]:
        url = databases.take()
        yield url.render_as_string(hide_password=False)
        databases.give_back(url)

    return postgresql
