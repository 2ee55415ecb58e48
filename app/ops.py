"""For whoever runs it: is the process alive, may it get traffic, what does it count."""

from flask import Blueprint, Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from app import schema
from app.config import metrics_directory
from app.errors import ServiceError
from app.runtime import Runtime
from app.telemetry import metrics

ops = Blueprint("ops", __name__)


@ops.get("/healthz")
def healthz() -> Response:
    """The process answers. It says nothing of the database or Redis: a restart mends neither."""
    return jsonify(status="ok")


@ops.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Whether this worker should get traffic: its database answers and has today's schema.

    Redis is reported but not required, since admission has a policy for its absence.
    """
    runtime: Runtime = current_app.extensions["shareauth"]
    checks = {"database": _database_state(runtime), "redis": _redis_state(runtime)}
    ready = checks["database"] == "ok"
    return jsonify(status="ok" if ready else "unavailable", checks=checks), 200 if ready else 503


@ops.get("/metrics")
def exposition() -> Response:
    body = metrics.exposition(metrics_directory())
    return Response(body, content_type=CONTENT_TYPE_LATEST)


def _database_state(runtime: Runtime) -> str:
    try:
        found = schema.current(runtime.db)
    except ServiceError:
        return "away"
    return "ok" if schema.serves(found) else "migrations missing"


def _redis_state(runtime: Runtime) -> str:
    return "ok" if runtime.gate.ping() else "away"
