"""What a check found, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``id`` stays the same for ever: documentation and alerts refer to it."""

    id: str
    check: str
    status: Status
    message: str
    advice: str | None = None
    """One sentence that says what to do; None when all is well."""


def ok(id_: str, check: str, message: str) -> Finding:
    return Finding(id_, check, "ok", message)


def warning(id_: str, check: str, message: str, advice: str) -> Finding:
    """The service works, but not as an operator would want it to for long."""
    return Finding(id_, check, "warning", message, advice)


def failed(id_: str, check: str, message: str, advice: str) -> Finding:
    return Finding(id_, check, "failed", message, advice)


def skipped(id_: str, check: str, because: str) -> Finding:
    return Finding(id_, check, "skipped", because)
