"""How pages are declared: blueprints that are guarded, and what goes wrong shown as a page."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import structlog
from flask import (
    Blueprint,
    Response,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from app.admin import access, timing, wording
from app.admin.access import FirstThingsFirst, NotSignedIn
from app.admin.context import context
from app.errors import Conflict, Denied, Invalid, NotFound, ServiceError
from app.pagekit import languages, security
from app.pagekit.languages import gettext as _

log = structlog.get_logger(__name__)

AnyResponse: TypeAlias = WerkzeugResponse
M = TypeVar("M", bound=BaseModel)

LOCALE = "locale"
FIRST_PAGES = {
    "password_change_required": "account.password",
    "second_factor_required": "account.second_factor",
}


def section(name: str, prefix: str) -> Blueprint:
    """The pages of one resource, below ``/admin``."""
    blueprint = Blueprint(
        name, __name__, url_prefix=f"/admin{prefix}", template_folder="../templates"
    )

    timing.measure(blueprint)

    @blueprint.before_request
    def check() -> None:
        g.locale = session.get(LOCALE)
        access.guard(datetime.now(UTC), takes_tokens=False)
        _speak()

    blueprint.register_error_handler(ServiceError, _refused)
    blueprint.register_error_handler(HTTPException, _http)
    blueprint.register_error_handler(Exception, _broke)
    blueprint.context_processor(context)
    blueprint.after_request(security.protect)
    return blueprint


def nowhere() -> Blueprint:
    """Every other address below ``/admin``."""
    blueprint = section("nowhere", "")

    @blueprint.route("/<path:rest>", methods=["GET", "POST"])
    @access.allow(access.PUBLIC)
    def nothing(rest: str) -> Response:
        del rest
        raise NotFound(_("There is no such page."))

    return blueprint


def done(message: str, endpoint: str, **parts: Any) -> AnyResponse:  # noqa: ANN401 - of the URL
    """After a form did what it should: say so on the page that comes next."""
    flash(message, "success")
    return redirect(url_for(endpoint, **parts), code=303)


def shown_once(template: str, **values: Any) -> AnyResponse:  # noqa: ANN401 - of the template
    """A page with a secret that is shown this once; browsers and proxies keep none of our pages."""
    return Response(render_template(template, **values), content_type="text/html; charset=utf-8")


def form_key() -> str:
    """The key the form was made with, in the operator's room.

    Raises:
        Invalid: the form has none.
    """
    key = request.form.get("idempotency_key", "")
    if not 1 <= len(key) <= 60:  # noqa: PLR2004 - what context.new_key makes, and some room
        raise Invalid(_("The form is incomplete: open the page again."))
    return f"form:{access.desk().caller.operator_id}:{key}"


def validated(model: type[M], values: dict[str, object]) -> M:
    """The spec made of a form's fields.

    Raises:
        Invalid: says each field that is wrong, and why.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in entry['loc'])}: "
            f"{str(entry['msg']).removeprefix('Value error, ')}"
            for entry in error.errors(include_url=False, include_input=False)
        ]
        raise Invalid("; ".join(problems)) from None


def attempt(work: Callable[[], AnyResponse], again: Callable[[], str]) -> AnyResponse:
    """Do what a form says; if the input is refused, show the form again with what was typed."""
    try:
        return work()
    except (Invalid, Conflict, NotFound, Denied) as problem:
        flash(wording.told(problem), "danger")
        return Response(again(), status=problem.status)


def safe_next(target: str | None) -> str:
    """Where to go after the sign-in: an address of our own pages, or the overview."""
    home = url_for("overview.show")
    if not target or not target.startswith("/admin") or target.startswith("/admin/api"):
        return home
    return home if "\\" in target or "//" in target or not target.isprintable() else target


def _speak() -> None:
    """Language and time zone of the page."""
    desk = access.desk()
    caller = desk.visitor
    chosen = session.get(LOCALE) or (caller.locale if caller else None)
    g.locale = chosen or languages.accepted(desk.settings.service.locale)
    g.zone = desk.settings.zone


def _refused(error: ServiceError) -> AnyResponse | tuple[str, int]:
    if isinstance(error, NotSignedIn) and request.method == "GET":
        here = request.full_path.rstrip("?")
        return redirect(url_for("account.sign_in", next=here if here != "/admin/" else None))
    if isinstance(error, FirstThingsFirst):
        return redirect(url_for(FIRST_PAGES[error.code]), code=303)
    if "desk" not in g:
        return _plain(error)
    _speak()
    if error.status >= 500:  # noqa: PLR2004 - HTTP's own number
        log.warning("page.failed", code=error.code, problem=error.message)
    return render_template("error.html", error=error, reference=g.get("reference")), error.status


def _http(error: HTTPException) -> AnyResponse | tuple[str, int]:
    if error.code in {301, 302, 303, 307, 308}:
        return Response.force_type(error.get_response())
    told = ServiceError(error.description or error.name, code=error.name.lower())
    told.status = error.code or 500
    return _refused(told)


def _broke(error: Exception) -> AnyResponse | tuple[str, int]:
    log.error("page.broke", exc_info=error)
    return _refused(ServiceError(_("Something went wrong on our side.")))


def _plain(error: ServiceError) -> tuple[str, int]:
    """Nothing is known of who asks, because the database is away or the token is wrong."""
    g.locale = g.get("locale") or languages.accepted("en")
    return render_template("error.html", error=error, reference=g.get("reference")), error.status
