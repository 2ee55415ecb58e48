"""One house for the tests of a module."""

import uuid
from collections.abc import Iterator

import pytest
from app.operators import passwords

from admin_builders import CHEAP, House
from vault_builders import Scene, make_scene


@pytest.fixture(scope="module")
def house(tmp_path_factory, sqlite_template, valkey_url) -> Iterator[House]:
    made = House(
        tmp_path_factory.mktemp("house"), sqlite_template, valkey_url, f"h{uuid.uuid4().hex[:12]}"
    )
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _passwords_are_cheap(monkeypatch):
    monkeypatch.setattr(passwords, "_hasher", CHEAP)


@pytest.fixture(scope="module")
def scene(house) -> Scene:
    return make_scene(house)
