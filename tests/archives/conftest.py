"""Books with answers of three months."""

from datetime import timedelta

import pytest
from app.archives import partitions
from app.db import Database

from archive_builders import FEBRUARY, JANUARY, Library
from turn_builders import Stage


@pytest.fixture
def library(db: Database, now, tmp_path) -> Library:
    """Five answers of January, two of February, and one of this month."""
    directory = tmp_path / "archives"
    directory.mkdir()
    made = Library(Stage(db, now), directory)
    for number in range(5):
        made.settle(f"j{number}", JANUARY - timedelta(days=number), points=number)
    for number in range(2):
        made.settle(f"f{number}", FEBRUARY + timedelta(days=number))
    made.settle("now", now)
    partitions.prepare(db, now)
    return made
