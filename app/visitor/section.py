"""How the page is declared: one blueprint, and what goes wrong told in plain words."""

import structlog
from flask import Blueprint, Response, g, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from app.errors import Denied, ServiceError
from app.pagekit import languages
from app.visitor import access, wording
from app.visitor.access import NotIn

log = structlog.get_logger(__name__)

MOVED = frozenset({301, 302, 303, 307, 308})
WITH_LANGUAGE = frozenset({"visitor.home", "visitor.usage", "visitor.statement"})


def blueprint() -> Blueprint:
    made = Blueprint("visitor", __name__, url_prefix="/me", template_folder="templates")
    made.before_request(access.arrive)
    made.after_request(access.protect)
    made.context_processor(_context)
    made.register_error_handler(ServiceError, _refused)
    made.register_error_handler(HTTPException, _http)
    made.register_error_handler(Exception, _broke)
    return made


def _context() -> dict[str, object]:
    """What every template of the page knows; ``csrf_token`` is this page's own, not the admin's."""
    if "visit" not in g:
        return {"locale": languages.current(), "languages": languages.NAMES}
    here = access.visit()
    return {
        "locale": languages.current(),
        "languages": languages.NAMES,
        "now": here.now,
        "currency": here.settings.billing.currency,
        "csrf_token": lambda: here.csrf,
        "in_language": _in_language,
        "is_in": g.get("is_in", False),
        **wording.NAMES,
    }


def _in_language(locale: str) -> str:
    """This page in another language. Of its address only the month goes on, and never a token."""
    is_safe = request.endpoint in WITH_LANGUAGE and request.method == "GET"
    endpoint = request.endpoint if is_safe else "visitor.home"
    month = request.args.get("month") if is_safe else None
    return url_for(endpoint or "", lang=locale, month=month)


def _refused(error: ServiceError) -> AnyResponse:
    """What the visitor is told. Who is not in, or no longer, may come in right there."""
    if error.status >= 500:  # noqa: PLR2004 - HTTP's own number
        log.warning("visitor.failed", code=error.code, problem=error.message)
    problem = None if isinstance(error, NotIn) else wording.told(error)
    is_shut_out = isinstance(error, NotIn | Denied)
    page = "me/enter.html" if is_shut_out else "me/problem.html"
    response = Response(
        render_template(page, problem=problem, reference=g.get("reference")), status=error.status
    )
    return access.forget(response) if is_shut_out else response


def _http(error: HTTPException) -> AnyResponse:
    if error.code in MOVED:
        return Response.force_type(error.get_response())
    told = ServiceError(error.description or error.name, code=error.name.lower().replace(" ", "_"))
    told.status = error.code or 500
    return _refused(told)


def _broke(error: Exception) -> AnyResponse:
    log.error("visitor.broke", exc_info=error)
    return _refused(ServiceError("something went wrong on our side"))
