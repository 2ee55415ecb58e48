"""Single sign-on: to the provider and back."""

import structlog
from flask import redirect, request, session, url_for

from app.admin import access, wording
from app.admin.access import PUBLIC
from app.admin.pages import account
from app.admin.pages.section import AnyResponse, safe_next, section
from app.admin.resources import sso
from app.errors import Conflict, Forbidden, Unavailable

log = structlog.get_logger(__name__)

blueprint = section("sso", "/sso")

KEPT = "sso"
"""The field of the cookie that keeps what a sign-in was begun with."""


@blueprint.get("/begin")
@access.allow(PUBLIC)
def begin() -> AnyResponse | tuple[str, int]:
    try:
        address, sealed = sso.begin(access.desk(), request.args.get("next", ""))
    except Unavailable as away:
        return _refused(away)
    session[KEPT] = sealed
    return redirect(address)


@blueprint.get("/finish")
@access.allow(PUBLIC)
def finish() -> AnyResponse | tuple[str, int]:
    sealed = session.pop(KEPT, None)
    try:
        signed_in, target = sso.finish(access.desk(), access.client, request.args.to_dict(), sealed)
    except (Forbidden, Conflict, Unavailable) as refusal:
        return _refused(refusal)
    account.remember(signed_in.secret)
    return redirect(safe_next(target))


@blueprint.get("/leave")
@access.allow(PUBLIC)
def leave() -> AnyResponse | tuple[str, int]:
    """End the session at the provider, after the one here has ended."""
    try:
        address = sso.leave_address(access.desk())
    except Unavailable as away:
        return _refused(away)
    return redirect(address or url_for("account.sign_in"))


def _refused(error: Forbidden | Conflict | Unavailable) -> tuple[str, int]:
    """The sign-in page says it in plain words; the log has the details."""
    log.warning("sso.refused", code=error.code, problem=error.message)
    return account.door(problem=wording.told(error), status=error.status)
