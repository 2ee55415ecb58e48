"""Errors of the JSON API: problem details (RFC 9457)."""

from typing import Any

from flask import Response, g, json
from pydantic import BaseModel, Field

from app.errors import Denied, Forbidden, ServiceError

CONTENT_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One value that is wrong."""

    field: str = Field(description="Where it is, with dots.")
    message: str


class Problem(BaseModel):
    """Why a request was not done."""

    type: str = Field(default="about:blank")
    title: str = Field(description="The kind of problem, the same for every one of its code.")
    status: int
    code: str = Field(description="Machine-readable and stable.")
    detail: str = Field(description="One sentence for a person, with what to do.")
    reference: str = Field(description="Find the request in the log by it.")
    errors: list[FieldProblem] = Field(default_factory=list)
    retry_after_s: int | None = None


class InvalidInput(ServiceError):
    """Body, query or path break their schema; ``errors`` says where."""

    status = 422
    code = "invalid"

    def __init__(self, errors: list[FieldProblem]) -> None:
        super().__init__("; ".join(f"{one.field}: {one.message}" for one in errors)[:1000])
        self.errors = errors


def response(error: ServiceError) -> Response:
    """The answer to a request that was not done."""
    retry_after_s = error.retry_after_s if isinstance(error, Forbidden | Denied) else None
    problem = Problem(
        title=error.code.replace("_", " ").capitalize(),
        status=error.status,
        code=error.code,
        detail=error.message,
        reference=g.get("reference", ""),
        errors=error.errors if isinstance(error, InvalidInput) else [],
        retry_after_s=retry_after_s,
    )
    answer = Response(dumped(problem), status=error.status, content_type=CONTENT_TYPE)
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    if error.status == 401:  # noqa: PLR2004 - HTTP's own number
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def dumped(model: BaseModel | list[Any] | dict[str, Any]) -> str:
    value = model.model_dump(mode="json") if isinstance(model, BaseModel) else model
    return json.dumps(value)
