"""How an endpoint of the JSON API is declared: one statement says what it needs, takes and gives.

The same statement checks the permission, validates, counts the call, and writes the OpenAPI
document (``openapi``).
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast, get_type_hints

import structlog
from flask import Blueprint, Flask, Response, current_app, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed

from app import web
from app.admin import access, timing
from app.admin.api import problems, throttle
from app.admin.api.problems import FieldProblem, InvalidInput
from app.admin.desk import Desk
from app.errors import Invalid, NotFound, ServiceError

PREFIX = "/admin/api/v1"
BODY_BYTES_MAX = 4 * 1024 * 1024
IDEMPOTENCY_KEY_MAX = 100
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROW_ID_MAX = 2**63 - 1

Handler = TypeVar("Handler", bound=Callable[..., Any])
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """All there is to say about one."""

    method: str
    path: str
    permission: str
    tag: str
    name: str
    summary: str
    description: str
    reply: Any
    status: int
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    path_types: dict[str, type]
    is_idempotent: bool
    """Wants an Idempotency-Key: it moves money."""
    media_type: str
    has_version: bool


@dataclass
class Section:
    """The endpoints of one resource. ``tag`` is its heading in the document."""

    name: str
    tag: str
    endpoints: list[Endpoint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blueprint = Blueprint(f"api_{self.name}", __name__, url_prefix=PREFIX)
        guard_api(self.blueprint)

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        permission: str,
        status: int = 200,
        idempotent: bool = False,
        versioned: bool = False,
        media_type: str = "application/json",
    ) -> Callable[[Handler], Handler]:
        """Declare ``handler(desk, [path parts], [query], [body], [idempotency_key])``.

        The types of its arguments say what is validated; its return type what it gives. Its
        docstring's first line is the summary, the rest the description.
        """

        def declare(handler: Handler) -> Handler:
            made = _endpoint(
                self.tag,
                handler,
                method=method,
                path=path,
                permission=permission,
                status=status,
                is_idempotent=idempotent,
                media_type=media_type,
                has_version=versioned,
            )
            self.endpoints.append(made)
            view = access.allow(permission)(_view(made, handler))
            self.blueprint.add_url_rule(
                path,
                endpoint=handler.__name__,
                view_func=view,
                methods=[method],
                provide_automatic_options=False,  # "nowhere" knows all methods of an address
            )
            return handler

        return declare

    def get(self, path: str, **said: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401
        return self.endpoint("GET", path, **said)

    def post(self, path: str, **said: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401
        return self.endpoint("POST", path, **said)

    def patch(self, path: str, **said: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401
        return self.endpoint("PATCH", path, **said)

    def delete(self, path: str, **said: Any) -> Callable[[Handler], Handler]:  # noqa: ANN401
        return self.endpoint("DELETE", path, status=204, **said)


def guard_api(blueprint: Blueprint) -> None:
    """Check every request of the blueprint, and turn what goes wrong into problem details."""
    timing.measure(blueprint)

    @blueprint.before_request
    def check() -> None:
        access.guard(datetime.now(UTC), takes_tokens=True)
        throttle.check(access.desk())

    @blueprint.errorhandler(ServiceError)
    def known(error: ServiceError) -> Response:
        if error.status >= 500:  # noqa: PLR2004 - HTTP's own number
            log.warning("api.failed", code=error.code, problem=error.message)
        return problems.response(error)

    @blueprint.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        answer = ServiceError(error.description or error.name, code=_code_of(error))
        answer.status = error.code or 500
        told = problems.response(answer)
        if isinstance(error, MethodNotAllowed):
            told.headers["Allow"] = ", ".join(error.valid_methods or ())
        return told

    @blueprint.errorhandler(Exception)
    def unknown(error: Exception) -> Response:
        log.error("api.broke", exc_info=error)
        return problems.response(ServiceError("something went wrong on our side"))

    @blueprint.after_request
    def tell(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if (tag := g.get("entity_tag")) is not None and response.status_code < 300:  # noqa: PLR2004
            response.set_etag(tag)
        return response


def nowhere(app: Flask) -> None:
    """Every other address below the API, and every other method: a problem, too."""
    blueprint = Blueprint("api_nowhere", __name__, url_prefix=PREFIX)
    guard_api(blueprint)

    @access.allow(access.CREDENTIALS)  # what there is stands in a document for everybody
    def nothing(rest: str) -> Response:
        del rest
        known = _known_methods()
        if not known:
            raise NotFound("there is no such address in the API", code="not_found")
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": ", ".join(known)})
        raise MethodNotAllowed(known, "this address does not take this method")

    blueprint.add_url_rule(
        "/<path:rest>",
        "nothing",
        nothing,
        methods=[*METHODS, "OPTIONS"],
        provide_automatic_options=False,
    )
    app.register_blueprint(blueprint)


def _known_methods() -> list[str]:
    """The methods that an endpoint takes at this address; none when there is no endpoint."""
    adapter = current_app.create_url_adapter(request)
    if adapter is None:  # there is none only without a request
        return []
    known = []
    for method in METHODS:
        try:
            endpoint, _ = adapter.match(method=method)
        except HTTPException:
            continue
        if not endpoint.endswith("nowhere.nothing"):
            known.append(method)
    return known


def _code_of(error: HTTPException) -> str:
    return error.name.lower().replace(" ", "_")


def _endpoint(tag: str, handler: Callable[..., Any], **said: Any) -> Endpoint:  # noqa: ANN401
    hints = get_type_hints(handler, include_extras=True)
    summary, _, description = inspect.cleandoc(handler.__doc__ or "").partition("\n")
    special = {"desk", "query", "body", "idempotency_key", "return"}
    return Endpoint(
        tag=tag,
        name=handler.__name__,
        summary=summary.rstrip("."),
        description=description.strip(),
        reply=hints.get("return"),
        query=hints.get("query"),
        body=hints.get("body"),
        path_types={name: kind for name, kind in hints.items() if name not in special},
        **said,
    )


def _view(endpoint: Endpoint, handler: Callable[..., Any]) -> Callable[..., Response]:
    def view(**parts: Any) -> Response:  # noqa: ANN401 - the parts of the path
        if any(isinstance(part, int) and part > ROW_ID_MAX for part in parts.values()):
            raise NotFound("no row has such an id")
        given: dict[str, Any] = dict(parts)
        if endpoint.query is not None:
            query = endpoint.query
            given["query"] = _validated(lambda: query.model_validate(_query_values()))
        elif request.args:
            raise InvalidInput(
                [FieldProblem(field=name, message="not known here") for name in request.args]
            )
        if endpoint.body is not None:
            given["body"] = _validated_body(endpoint.body)
        if endpoint.is_idempotent:
            given["idempotency_key"] = _idempotency_key(access.desk())
        return _rendered(endpoint, handler(access.desk(), **given))

    return view


def _query_values() -> dict[str, Any]:
    return {
        name: values[0] if len(values) == 1 else values
        for name, values in request.args.to_dict(flat=False).items()
    }


def _validated_body(model: type[BaseModel]) -> BaseModel:
    if not request.is_json:
        raise Invalid("send JSON, with Content-Type: application/json", code="not_json")
    raw = web.read_body(request, bytes_max=BODY_BYTES_MAX)
    try:
        request._cached_data = raw  # noqa: SLF001 - read once
        _refuse_nul(request.get_json(cache=False))
    except (BadRequest, RecursionError):
        raise Invalid("the body is not JSON", code="not_json") from None
    # From the text: there true and "1" are no numbers, and texts still are times and amounts.
    return _validated(lambda: model.model_validate_json(raw, strict=True))


def _refuse_nul(value: object) -> None:
    """PostgreSQL takes no text with NUL, and nobody means one."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and "\0" in one:
            raise access.TextUnusable("a value has the character NUL, which cannot be kept")
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        if isinstance(one, list):
            waiting += one


def _validated(validate: Callable[[], BaseModel]) -> BaseModel:
    try:
        return validate()
    except ValidationError as error:
        raise InvalidInput(
            [
                FieldProblem(
                    field=".".join(str(part) for part in entry["loc"]) or "body",
                    message="not known here"
                    if entry["type"] == "extra_forbidden"
                    else str(entry["msg"]).removeprefix("Value error, "),
                )
                for entry in error.errors(include_url=False, include_input=False)
            ]
        ) from None


def _idempotency_key(desk: Desk) -> str:
    """The caller's key, in a room of its own: keys of two operators never meet."""
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX or not key.isprintable():
        raise Invalid(
            f"send an Idempotency-Key header of 1 to {IDEMPOTENCY_KEY_MAX} characters: asking "
            "again with the same key moves no money twice",
            code="idempotency_key_missing",
        )
    return f"api:{desk.caller.operator_id}:{key}"


def _rendered(endpoint: Endpoint, result: Any) -> Response:  # noqa: ANN401 - whatever it gives
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status=204)
    return Response(
        problems.dumped(cast("BaseModel", result)),
        status=endpoint.status,
        content_type=endpoint.media_type,
    )
