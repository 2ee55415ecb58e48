"""What the hooks tell the lookout, and that it never changes an answer."""

import pytest
from app.config import Settings
from app.factory import create_app
from app.sightings import store
from app.sightings.store import Wanted

pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)


@pytest.fixture
def app(db, valkey_url, namespace, tmp_path):
    settings = Settings.model_validate(
        {
            "service": {
                "data_dir": tmp_path,
                "secret_key": "x" * 40,
                "trusted_proxies": ["10.0.0.0/8"],
            },
            "database": {"url": db.url.render_as_string(hide_password=False)},
            "redis": {"url": valkey_url, "namespace": namespace},
        }
    )
    app = create_app(settings)
    yield app
    app.extensions["shareauth"].close()


def call(app, path, **environ):
    return app.test_client().post(path, json={"token": "x"}, environ_overrides=environ).get_json()


def refusals(db):
    with db.read() as session:
        return store.list_page(session, Wanted(), limit=9)


def test_last_refusals_are_written_when_the_process_stops(app, db):
    proxied = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "198.51.100.2"}
    answer = call(app, "/shareAuth/init", **proxied)
    app.extensions["shareauth"].close()
    [refusal] = refusals(db)
    assert (refusal.reference, refusal.code) == (answer["reference"], "link_unknown")
    assert (refusal.address, refusal.called) == ("198.51.100.2", "POST /shareAuth/init")
    assert refusal.message == "no link at this address"


def test_what_no_database_stores_is_shown_as_question_marks(app, db):
    call(app, "/l/a%00%07%ED%A0%BD/\u0661\u0662/shareAuth/init")
    app.extensions["shareauth"].close()
    [refusal] = refusals(db)
    assert refusal.called == "POST /l/a???…/??/shareAuth/init"


@pytest.mark.parametrize("path", ["/shareAuth/init", "/l/x/shareAuth/stop"])
def test_answer_is_the_same_when_nothing_can_be_remembered(app, path, monkeypatch):
    def breaks(_sighting):
        raise RuntimeError("can't start new thread")

    expected = call(app, path)
    monkeypatch.setattr(type(app.extensions["shareauth"].lookout), "saw", breaks)
    answer = call(app, path)
    assert answer["code"] == expected["code"]
    assert answer["success"] is False
