"""The demo: whole, made once, never where it does not belong."""

import pytest
from app import schema
from app.audit.journal import Actor
from app.cli import demo, foundation
from app.cli.session import Desk
from app.config import Settings
from app.funding import changes
from app.ledger import store as ledger_store
from app.links import commands
from app.links import store as link_store
from app.links.commands import LinkSpec
from app.money import to_nano
from app.users import store as user_store

SECRET = "a secret that is only good for tests"
NOWHERE = "unix:///nonexistent/valkey.sock"


@pytest.fixture
def desk(tmp_path):
    """A prepared database of the embedded set-up, without a Redis to tell."""
    opened = []

    def open_desk(**sections):
        settings = Settings.model_validate({"service": {"data_dir": tmp_path}, **sections})
        found = Desk(settings)
        opened.append(found)
        schema.upgrade(found.db)
        foundation.ensure(found.db, settings, actor=Actor("test", "cli"), now=found.now)
        return found

    yield open_desk
    for found in opened:
        found.close()


def _links(desk):
    with desk.db.read() as session:
        return [link.name for link in link_store.list_all(session)]


def _balance(desk):
    with desk.db.read() as session:
        user = user_store.get_by_subject(session, demo.NAME)
        return ledger_store.find_account(session, user.id).balance


def test_first_start_makes_a_link_a_funded_user_and_a_token(desk):
    made = demo.find_or_make(desk())
    assert made.link_key
    assert made.token.startswith("sat_")
    assert _links(desk()) == ["demo"]
    assert _balance(desk()) == to_nano(Settings().demo.credit)


def test_later_starts_show_the_same_link_and_make_nothing(desk):
    first = demo.find_or_make(desk())
    again = demo.find_or_make(desk())
    assert (again.link_key, again.token) == (first.link_key, None)
    assert _balance(desk()) == to_nano(Settings().demo.credit)


def test_start_that_was_cut_short_begins_again_without_crediting_twice(desk, monkeypatch):
    def cut(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commands, "create", cut)
        with pytest.raises(KeyboardInterrupt):
            demo.find_or_make(desk())
    assert demo.find_or_make(desk()).token is not None
    assert _balance(desk()) == to_nano(Settings().demo.credit)


def test_production_gets_no_demo(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "top_up", lambda *_a, **_k: pytest.fail("credit in production"))
    production = desk(
        service={"data_dir": tmp_path, "secret_key": SECRET},
        database={"url": f"sqlite:///{tmp_path}/given.sqlite3"},
        redis={"url": NOWHERE},
    )
    assert demo.find_or_make(production) is None
    assert _links(production) == []


def test_operator_with_links_of_their_own_gets_none(desk):
    mine = desk()
    with mine.change() as session:
        commands.create(
            session, LinkSpec(name="mine"), keys=mine.keys, actor=mine.actor, now=mine.now
        )
    assert demo.find_or_make(mine) is None
    assert _links(mine) == ["mine"]


def test_demo_link_that_was_switched_off_is_not_shown(desk):
    mine = desk()
    demo.find_or_make(mine)
    with mine.change() as session:
        link = link_store.find_by_name(session, demo.NAME)
        commands.set_enabled(session, link, enabled=False, actor=mine.actor, now=mine.now)
    assert demo.find_or_make(desk()) is None
