"""FastGPT's three hooks: read, one call into ``turns``, reply.

Every address below a link's root answers with the envelope, also those that make no sense, so
that a wrong set-up in FastGPT explains itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from flask import Blueprint, Response, current_app, g, request

from app import web
from app.errors import Denied, Invalid, NotFound, ServiceError
from app.hooks import replies, sighted
from app.hooks.replies import Voice
from app.i18n import LOCALES
from app.metering.body import parse_question
from app.money import NANO
from app.runtime import Runtime
from app.telemetry import metrics
from app.turns.doors import Door
from app.turns.finish import Arrival, Quarantined, Spooled
from app.turns.link_context import LinkContext

hooks = Blueprint("hooks", __name__)
log = structlog.get_logger(__name__)

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class Yes:
    """A call that is answered with yes."""

    uid: str
    link_id: int | None
    """None while only the database could tell, which is away."""
    generation: str | None = None
    """Of FastGPT, where the call shows it."""


@hooks.route("/l/<key>/shareAuth/<hook>", methods=ANY_METHOD, strict_slashes=False)
def keyed(key: str, hook: str) -> Response:
    """A hook below a link's own root URL: the key says which link, and that FastGPT is calling."""
    return _answer(hook, Door.with_key(key))


@hooks.route("/shareAuth/<hook>", methods=ANY_METHOD, strict_slashes=False)
def unkeyed(hook: str) -> Response:
    """A hook below the bare root, which exists only when ``hooks.unkeyed_link`` names a link."""
    return _answer(hook, _unkeyed_door(hook))


@hooks.route("/l/", defaults={"rest": ""}, methods=ANY_METHOD, strict_slashes=False)
@hooks.route("/l/<path:rest>", methods=ANY_METHOD, strict_slashes=False)
def elsewhere(rest: str) -> Response:
    """Anything else below a root: the address in FastGPT is not right."""
    del rest
    return _answer("other", Door.closed())


@hooks.route("/<path:rest>/shareAuth/<hook>", methods=ANY_METHOD, strict_slashes=False)
def astray(rest: str, hook: str) -> Response:
    """A hook below a root that no link ever had: it was mistyped, or ``/l/`` was left out."""
    del rest
    return _answer(hook, Door.closed())


def _init(runtime: Runtime, door: Door, now: datetime) -> Yes:
    call = parse_question(_body(runtime))
    visitor = runtime.visits.open(door, call.token, now)
    return Yes(visitor.user.uid, visitor.link.id)


def _start(runtime: Runtime, door: Door, now: datetime) -> Yes:
    call = parse_question(_body(runtime))
    visitor = runtime.visits.ask(door, call.token, now).visitor
    return Yes(visitor.user.uid, visitor.link.id)


def _finish(runtime: Runtime, door: Door, now: datetime) -> Yes:
    try:
        body = _body(runtime)
    except web.BodyTooLarge as error:
        size = int(str(error.params["body_bytes"]))
        metrics.FINISHES.labels("quarantined").inc()
        runtime.finishes.keep_oversized(door, size, reference=g.reference, now=now)
        raise
    arrival = Arrival(body=body, reference=g.reference, now=now)
    try:
        outcome = runtime.finishes.accept(door, arrival)
    except Exception as error:
        metrics.FINISHES.labels("refused" if isinstance(error, Denied) else "failed").inc()
        raise
    if isinstance(outcome, Quarantined):
        metrics.FINISHES.labels("quarantined").inc()
        raise outcome.problem
    if isinstance(outcome, Spooled):
        metrics.FINISHES.labels("spooled").inc()
        # Who it is shows when it is settled; FastGPT does not read this answer.
        return Yes("", _recalled_link_id(runtime, door, now))
    metrics.count_finish(
        outcome.outcome,
        points=outcome.points / NANO,
        charge=outcome.charge / NANO,
        warnings=outcome.warnings,
    )
    if outcome.warnings and outcome.outcome == "recorded":
        log.info("finish.odd", warnings=dict(outcome.warnings))
    return Yes(outcome.uid, outcome.link_id, outcome.generation)


ANSWERS: dict[str, Callable[[Runtime, Door, datetime], Yes]] = {
    "init": _init,
    "start": _start,
    "finish": _finish,
}


def _answer(hook: str, door: Door) -> Response:
    """One hook call from end to end; never raises."""
    began = time.perf_counter()
    runtime: Runtime = current_app.extensions["shareauth"]
    now = datetime.now(UTC)
    name = hook if hook in ANSWERS else "other"
    code = "ok"
    try:
        yes = _answerer(hook)(runtime, door, now)
        response = replies.accepted(yes.uid, reference=g.reference)
    except Exception as error:  # noqa: BLE001 - FastGPT must get its envelope whatever happened
        fault = _known(name, error)
        code = fault.code
        link = _link_behind(runtime, door, now)
        response = replies.refused(fault, _voice(runtime, link, fault), reference=g.reference)
        sighted.refused(runtime, name, None if link is None else link.id, fault, now)
    else:
        sighted.answered(runtime, name, yes.link_id, yes.generation, now)
    metrics.HOOK_REQUESTS.labels(name, code).inc()
    metrics.HOOK_SECONDS.labels(name).observe(time.perf_counter() - began)
    return response


def _answerer(hook: str) -> Callable[[Runtime, Door, datetime], Yes]:
    if request.method != "POST":
        raise Invalid("hooks are called with POST", code="method_not_allowed")
    if hook not in ANSWERS:
        raise NotFound("there is no such hook", code="hook_unknown")
    return ANSWERS[hook]


def _known(hook: str, error: Exception) -> ServiceError:
    """The error as one of ours, logged as loudly as it deserves."""
    if isinstance(error, Denied):
        log.info("hook.refused", hook=hook, code=error.code, **_loggable(error))
        return error
    if isinstance(error, ServiceError):
        log.warning("hook.failed", hook=hook, code=error.code, problem=error.message)
        return error
    log.error("hook.broke", hook=hook, exc_info=error)
    return ServiceError("internal error")


def _loggable(error: Denied) -> dict[str, object]:
    return {name: value for name, value in error.params.items() if isinstance(value, int | str)}


def _link_behind(runtime: Runtime, door: Door, now: datetime) -> LinkContext | None:
    try:
        return door.enter(runtime.directory, now)
    except ServiceError:
        return None


def _recalled_link_id(runtime: Runtime, door: Door, now: datetime) -> int | None:
    try:
        link = door.recall(runtime.directory, now)
    except ServiceError:
        return None
    return None if link is None else link.id


def _voice(runtime: Runtime, link: LinkContext | None, error: ServiceError) -> Voice:
    """The visitor's language, else the link's, else the service's; the link's own words first."""
    default = runtime.settings.service.locale
    if link is None:
        return Voice(default, (runtime.messages,))
    locale = next((x for x in (error.locale, link.locale) if x in LOCALES), default)
    return Voice(locale, (link.messages, runtime.messages))


def _unkeyed_door(hook: str) -> Door:
    runtime: Runtime = current_app.extensions["shareauth"]
    rules = runtime.settings.hooks
    if rules.unkeyed_link is None:
        return Door.closed()
    address = web.caller_address(runtime.settings.service.trusted_proxies)
    if hook.startswith("finish") and not web.is_within(address, rules.unkeyed_finish_addresses):
        log.warning("hook.unkeyed_finish_refused", address=address)
        return Door.closed()
    return Door.by_name(rules.unkeyed_link)


def _body(runtime: Runtime) -> bytes:
    try:
        return web.read_body(request, bytes_max=runtime.settings.hooks.body_bytes_max)
    except web.BodyTooLarge:
        metrics.OVERSIZED_BODIES.labels(
            request.view_args["hook"] if request.view_args else ""
        ).inc()
        raise
