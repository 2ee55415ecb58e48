"""The OpenAPI 3.1 document, written from the declared endpoints and nothing else."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from flask import Response
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app import __version__
from app.admin.access import CREDENTIALS
from app.admin.api.problems import CONTENT_TYPE, Problem
from app.admin.api.section import BODY_BYTES_MAX, IDEMPOTENCY_KEY_MAX, PREFIX, Endpoint
from app.operators.roles import PERMISSIONS

REFERENCE = "#/components/schemas/{model}"
INTRODUCTION = f"""\
Everything the console and the command line can do.

**Credentials.** Send `Authorization: Bearer saa_…`, an API token made in the console or by
`shareauth operators tokens create`. A token has scopes, which are the permissions below, and never
more rights than its owner has. **Money** is decimal text in the wallet currency, points are decimal
text too; times are ISO 8601 in UTC. **Lists** come in pages: pass `next` as `cursor`. **What moves
money** wants an `Idempotency-Key`: asking again with the same key answers the same and moves
nothing. **Lost updates**: send the `ETag` of what you read as `If-Match`. **Errors** are problem
details (RFC 9457) with a stable `code`. Bodies have at most {BODY_BYTES_MAX // 1024**2} MB.
"""
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": IDEMPOTENCY_KEY_MAX,
        "pattern": "^[!-~]+$",
    },
}
PATH_PART = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


def document(endpoints: Sequence[Endpoint], *, server: str) -> dict[str, Any]:
    """The document; ``server`` is the address the API is reached at."""
    refs, schemas = _schemas(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = PATH_PART.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "shareauth admin API",
            "version": __version__,
            "description": INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": f"{server}{PREFIX}"}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": tag} for tag in sorted({one.tag for one in endpoints})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Scopes: " + ", ".join(f"`{name}`" for name in PERMISSIONS),
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "shareauth_admin",
                    "description": "The console's own; changes want an X-CSRFToken header too.",
                },
            },
        },
    }


def _schemas(
    endpoints: Iterable[Endpoint],
) -> tuple[dict[tuple[Any, JsonSchemaMode], Any], dict[str, Any]]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for endpoint in endpoints:
        if endpoint.body is not None:
            wanted.append((endpoint.body, "validation"))
        if _is_model(endpoint.reply):
            wanted.append((endpoint.reply, "serialization"))
    refs, schemas = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REFERENCE)
    return refs, schemas.get("$defs", {})


def _operation(endpoint: Endpoint, refs: dict[tuple[Any, JsonSchemaMode], Any]) -> dict[str, Any]:
    needs = "" if endpoint.permission == CREDENTIALS else f"Needs `{endpoint.permission}`."
    described = f"{endpoint.description}\n\n{needs}".strip()
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": described,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": {
            str(endpoint.status): _success(endpoint, refs),
            "default": {
                "description": "It was not done; the problem says why.",
                "content": {CONTENT_TYPE: {"schema": refs[Problem, "serialization"]}},
            },
        },
    }
    if endpoint.permission == CREDENTIALS:
        operation["security"] = []
    if endpoint.is_idempotent:
        operation["parameters"].append(IDEMPOTENCY_KEY)
    if endpoint.has_version and endpoint.method in {"PATCH", "PUT"}:
        operation["parameters"].append(
            {"name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"}}
        )
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[endpoint.body, "validation"]}},
        }
    return operation


def _success(endpoint: Endpoint, refs: dict[tuple[Any, JsonSchemaMode], Any]) -> dict[str, Any]:
    if endpoint.reply is None or endpoint.reply is type(None):
        return {"description": "Done."}
    answer: dict[str, Any] = {"description": "Done."}
    if _is_model(endpoint.reply):
        schema = refs[endpoint.reply, "serialization"]
    else:
        schema = {"type": "string"}
    answer["content"] = {endpoint.media_type: {"schema": schema}}
    if endpoint.has_version:
        answer["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return answer


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _part_schema(endpoint.path_types.get(name, str)),
        }
        for name in PATH_PART.findall(endpoint.path)
    ]


def _part_schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - an annotation
    if kind is int:
        return {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
    schema = TypeAdapter(kind).json_schema()
    return {"minLength": 1, **schema} if schema.get("type") == "string" else schema


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(ref_template=REFERENCE)
    required = set(schema.get("required", ()))
    defs = schema.get("$defs", {})
    parameters = []
    for name, said in schema.get("properties", {}).items():
        plain = _inlined(said, defs)
        parameter = {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in plain.items() if key != "description"},
        }
        if "description" in plain:
            parameter["description"] = plain["description"]
        parameters.append(parameter)
    return parameters


def _inlined(schema: Any, defs: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """The schema of a parameter: it has no null, for a query cannot say it, and no references."""
    if isinstance(schema, list):
        return [_inlined(one, defs) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = defs[schema["$ref"].rsplit("/", 1)[-1]]
        return _inlined({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, defs)
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        rest = {k: v for k, v in schema.items() if k not in {"anyOf", "default"}}
        return _inlined({**options[0], **rest}, defs)
    return {
        key: _inlined(value, defs)
        for key, value in schema.items()
        if not (key == "default" and value is None)
    }


def _is_model(kind: Any) -> bool:  # noqa: ANN401 - an annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Response
