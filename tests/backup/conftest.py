"""An SQLite database alone: its files are what these tests are about."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from app.db import Database


@pytest.fixture
def sqlite_db(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    path = tmp_path / "books.sqlite3"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()
