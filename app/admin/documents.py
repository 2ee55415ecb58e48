"""The OpenAPI document and a viewer for it that needs no network."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, jsonify, render_template, request, send_from_directory

from app.admin import access
from app.admin.api import openapi
from app.admin.api.section import PREFIX, Section
from app.admin.pages.section import section
from app.operators.roles import SELF

VIEWER = Path(str(files("flask_swagger_ui"))) / "dist"


def blueprint(sections: Sequence[Section]) -> Blueprint:
    """``/admin/api/v1/openapi.json``, ``/admin/api/docs``, and the viewer's own files."""
    made = section("documents", "/api")
    endpoints = [endpoint for one in sections for endpoint in one.endpoints]

    @lru_cache(maxsize=8)
    def document(server: str) -> dict[str, object]:
        return openapi.document(endpoints, server=server)

    @made.get(PREFIX.removeprefix("/admin/api") + "/openapi.json")
    @access.allow(access.PUBLIC)
    def openapi_json() -> Response:
        return jsonify(document(request.script_root))

    @made.get("/docs")
    @access.allow(SELF)
    def viewer() -> str:
        return render_template("api.html")

    @made.get("/viewer/<path:name>")
    @access.allow(access.PUBLIC)
    def viewer_static(name: str) -> Response:
        return send_from_directory(VIEWER, name)

    return made
