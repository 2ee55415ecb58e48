"""What FastGPT accepts as an answer from a hook, and what it makes of everything else."""

import json
import re
from dataclasses import dataclass
from typing import Literal

Hook = Literal["init", "start", "finish"]

HOOKS: tuple[Hook, ...] = ("init", "start", "finish")
UID_BYTES_MAX = 255
UID_FORBIDDEN = re.compile(r"[|\\/]")
"""The check of FastGPT's init since chat files moved to object storage."""
MASKED = re.compile(r"https?://|(?:^|\s)ns-", re.IGNORECASE)
"""What FastGPT replaces with xxx before the visitor sees it."""
NO_CODE = "(no code)"
_OK = 200

VIOLATIONS = {
    "no_answer": "the connection failed or nothing came in time",
    "http_status": "not HTTP 200: FastGPT shows the visitor a general error, never the message",
    "not_json": "the body is not a JSON object",
    "success_not_boolean": "success is neither true nor false",
    "message_missing": "refused without a message: the visitor sees FastGPT's own words",
    "message_masked": "FastGPT masks part of the message (addresses, words that begin with ns-)",
    "uid_missing": "admitted without data.uid: old FastGPT takes the token for it, new one fails",
    "uid_invalid": "data.uid breaks FastGPT's rule (1 to 255 bytes, none of | \\ /)",
    "uid_changed": "another uid than before for the same token: the visitor loses the history",
}
"""Every way to break the contract, and what it does to people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A hook's reply as FastGPT reads it.

    ``is_accepted`` is None when there was none that it could read. ``violations`` are keys of
    ``VIOLATIONS``.
    """

    is_accepted: bool | None
    uid: str | None = None
    code: str = NO_CODE
    violations: tuple[str, ...] = ()


def no_answer() -> Answer:
    return Answer(None, violations=("no_answer",))


def read(hook: Hook, status: int, body: bytes) -> Answer:
    """Judge one reply; the content type does not matter, FastGPT parses whatever comes."""
    if status != _OK:
        return Answer(None, code=f"HTTP {status}", violations=("http_status",))
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        return Answer(None, violations=("not_json",))
    success, code = reply.get("success"), reply.get("code")
    code = code if isinstance(code, str) and code else NO_CODE
    if not isinstance(success, bool):
        return Answer(None, code=code, violations=("success_not_boolean",))
    if not success:
        return Answer(False, code=code, violations=_message_violations(hook, reply))
    if hook == "finish":
        return Answer(True, code=code)
    data = reply.get("data")
    uid = data.get("uid") if isinstance(data, dict) else None
    return Answer(True, uid if isinstance(uid, str) else None, code, _uid_violations(uid))


def _message_violations(hook: Hook, reply: dict[str, object]) -> tuple[str, ...]:
    if hook == "finish":
        return ()  # nobody reads it
    shown = reply.get("message") or reply.get("msg")
    if not isinstance(shown, str) or not shown.strip():
        return ("message_missing",)
    return ("message_masked",) if MASKED.search(shown) else ()


def _uid_violations(uid: object) -> tuple[str, ...]:
    if uid is None or uid == "":
        return ("uid_missing",)
    if not isinstance(uid, str) or UID_FORBIDDEN.search(uid):
        return ("uid_invalid",)
    is_too_long = len(uid.encode("utf-8", "surrogatepass")) > UID_BYTES_MAX
    return ("uid_invalid",) if is_too_long else ()
