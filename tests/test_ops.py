"""What a load balancer is told."""

import pytest
import sqlalchemy as sa
from app import schema
from app.config import Settings
from app.factory import create_app


@pytest.fixture
def client(db, valkey_url, namespace, tmp_path):
    settings = Settings.model_validate(
        {
            "service": {"data_dir": tmp_path, "secret_key": "x" * 40},
            "database": {"url": db.url.render_as_string(hide_password=False)},
            "redis": {"url": valkey_url, "namespace": namespace},
        }
    )
    app = create_app(settings)
    yield app.test_client()
    app.extensions["shareauth"].close()


def ready(client) -> tuple[int, str]:
    answer = client.get("/readyz")
    return answer.status_code, answer.get_json()["checks"]["database"]


def test_worker_is_ready_on_the_schema_of_its_version(client):
    assert ready(client) == (200, "ok")


def test_worker_of_the_version_before_stays_ready_when_the_database_is_expanded(client, db):
    with db.begin() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
    assert ready(client) == (200, "ok")


def test_worker_is_not_ready_while_migrations_are_missing(client, db):
    schema.downgrade(db, "base")
    assert ready(client) == (503, "migrations missing")


def test_process_that_answers_is_healthy_whatever_is_away(client, db):
    schema.downgrade(db, "base")
    assert client.get("/healthz").get_json() == {"status": "ok"}
