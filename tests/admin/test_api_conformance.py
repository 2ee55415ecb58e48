"""The JSON API does what its OpenAPI document says, whatever it is sent.

Every endpoint that is registered is in the document, so each is tested here without being named.
"""

import os

import pytest
import schemathesis
from app.operators.models import ApiToken
from app.operators.roles import PERMISSIONS
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

OUT_OF_REACH = 10**15
"""Ids that are made up are small: the token that asks must not be the one that is revoked."""

EXAMPLES = {"quick": 1, "deep": 5}
"""For each endpoint, beside the edges of every schema, which only the deep run tries."""
DEPTHS = ["quick", "deep"] if os.environ.get("SHAREAUTH_TEST_DEEP") else ["quick"]
"""The deep run takes minutes: `make conformance`."""


@pytest.fixture(scope="module")
def token(house) -> str:
    program = house.program(*PERMISSIONS, role="owner")
    with house.db.begin() as session:
        session.query(ApiToken).one().id = OUT_OF_REACH
    return program.token


def load(house, token, depth):
    rules = {
        "headers": {"Authorization": f"Bearer {token}"},
        "workers": 1,
        "continue-on-failure": True,
        "generation": {"max-examples": EXAMPLES[depth], "deterministic": True},
        "phases": {"coverage": {"enabled": depth == "deep"}, "stateful": {"enabled": False}},
        "checks": {
            # What no schema can say (an opaque cursor, a link that is not there, an amount that is
            # out of range as text) is refused as well.
            "positive_data_acceptance": {"enabled": False},
            # test_access.py asks every view without credentials; here it breaks on WSGI.
            "ignored_auth": {"enabled": False},
        },
    }
    return schemathesis.openapi.from_wsgi(
        "/admin/api/v1/openapi.json", house.app, config=SchemathesisConfig.from_dict(rules)
    )


def problems(schema):
    """``{operation: what it did wrong}``, and the operations that were tried."""
    told, tried = {}, set()
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            tried.add(event.recorder.label)
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info
                        said = f"{failure.failure}\n{failure.code_sample}"
                        told.setdefault(event.recorder.label, set()).add(said)
        if isinstance(event, events.NonFatalError):
            told.setdefault(event.label, set()).add(str(event.value))
        if isinstance(event, events.FatalError):
            raise event.exception
    return told, tried


def test_the_document_is_openapi_3_1(house):
    document = house.stranger().client.get("/admin/api/v1/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    OPENAPI_31_VALIDATOR.validate(document)


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_endpoint_does_what_the_document_says(house, token, depth):
    schema = load(house, token, depth)
    told, tried = problems(schema)
    assert not told, "\n\n".join(f"{label}:\n" + "\n".join(said) for label, said in told.items())
    assert len(tried) == schema.statistic.operations.total
