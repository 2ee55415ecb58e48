"""JSON logs with constant event names, in which tokens, questions and link keys never appear."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
SECRET_FIELDS = frozenset(
    ["token", "question", "key", "authorization", "cookie", "password", "secret", "secret_key"]
)
_SECRETS_IN_TEXT = re.compile(
    r"(?P<ours>\bsat_[A-Za-z0-9_-]{8,})"
    r"|(?P<jwt>\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*)"
    r"|(?P<guest>\bshareChat-\d+-[A-Za-z0-9_-]+)"
    r"|(?P<path>/(?:l|me/s)/)[^/\s\"']+"
    r"|(?P<user>://[^/\s:@]*:)[^@\s/]+@"
)


def configure(level: str, style: Literal["json", "console"]) -> None:
    """Send this process's logs, the libraries' included, to stderr in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False)
                if style == "json"
                else structlog.dev.ConsoleRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank out secret fields, and whatever looks like a secret inside any text."""
    return {name: _clean(name, value) for name, value in event.items()}


def redact_text(text: str) -> str:
    return _SECRETS_IN_TEXT.sub(_mask, text)


def _clean(name: str, value: Any) -> Any:  # noqa: ANN401 - log fields are anything
    if name.lower() in SECRET_FIELDS:
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(name, inner) for inner in value]
    return value


def _mask(match: re.Match[str]) -> str:
    if match["path"]:
        return f"{match['path']}{REDACTED}"
    if match["user"]:
        return f"{match['user']}{REDACTED}@"
    return REDACTED
