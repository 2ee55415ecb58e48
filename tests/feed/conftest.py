"""The service whose feeds are followed over HTTP."""

import uuid
from collections.abc import Iterator

import pytest

from admin_builders import House


@pytest.fixture(scope="module")
def house(tmp_path_factory, sqlite_template, valkey_url) -> Iterator[House]:
    made = House(
        tmp_path_factory.mktemp("house"), sqlite_template, valkey_url, f"h{uuid.uuid4().hex[:12]}"
    )
    yield made
    made.close()
