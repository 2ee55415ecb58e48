"""Each answered call, told to the lookout: who called what, and what came of it.

Nothing here changes what FastGPT gets, nor may it break: the answer is made already. Never a
token, a question or a link's key.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog
from flask import g, request

from app import web
from app.errors import ServiceError
from app.runtime import Runtime
from app.sightings import addresses
from app.sightings.sighting import MESSAGE_CHARS_MAX, OK, Sighting
from app.telemetry.logs import redact_text

ADDRESS_CHARS_MAX = 64
DETAIL_CHARS_MAX = 200

log = structlog.get_logger(__name__)


def answered(
    runtime: Runtime, hook: str, link_id: int | None, generation: str | None, now: datetime
) -> None:
    """A call that was answered with yes; ``link_id`` None where only the database knows it."""
    try:
        runtime.lookout.saw(
            Sighting(
                hook=hook,
                code=OK,
                at=now,
                reference=g.reference,
                address=_address(runtime),
                link_id=link_id,
                key_digest=None if link_id is not None else _key_digest(runtime),
                generation=generation,
            )
        )
    except Exception:
        log.exception("sighting.failed")


def refused(
    runtime: Runtime, hook: str, link_id: int | None, fault: ServiceError, now: datetime
) -> None:
    """A call that was answered with no, and why."""
    try:
        runtime.lookout.saw(
            Sighting(
                hook=hook,
                code=fault.code,
                at=now,
                reference=g.reference,
                address=_address(runtime),
                link_id=link_id,
                key_digest=None if link_id is not None else _key_digest(runtime),
                person=fault.person,
                called=addresses.shown(request.method, request.path),
                message=_storable(fault.message, MESSAGE_CHARS_MAX),
                details=_details(fault.params),
            )
        )
    except Exception:
        log.exception("sighting.failed")


def _address(runtime: Runtime) -> str:
    return web.caller_address(runtime.settings.service.trusted_proxies)[:ADDRESS_CHARS_MAX]


def _key_digest(runtime: Runtime) -> str | None:
    key = addresses.named_key(request.path)
    return None if key is None else runtime.keys.link_key_digest(key)


def _details(params: Mapping[str, object]) -> dict[str, object]:
    return {
        name: _storable(value, DETAIL_CHARS_MAX) if isinstance(value, str) else value
        for name, value in params.items()
        if isinstance(value, int | str)
    }


def _storable(text: str, chars_max: int) -> str:
    """Of any text: PostgreSQL takes neither NUL nor lone surrogates."""
    cleaned = redact_text(text).encode("utf-8", "replace").decode().replace("\0", "?")
    return cleaned[:chars_max]
