"""FastGPT's envelope. It always goes out as HTTP 200: anything else loses the message."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, jsonify

from app.config import Locale
from app.errors import ServiceError, Unavailable
from app.i18n import MESSAGES, sentence

REFERENCE: dict[Locale, str] = {"zh": "（编号 {reference}）", "en": " (ref. {reference})"}


@dataclass(frozen=True, slots=True)
class Voice:
    """In which language, and with whose own sentences, a visitor is spoken to."""

    locale: Locale
    overrides: tuple[Mapping[str, Mapping[str, str]], ...] = ()


def accepted(uid: str, *, reference: str) -> Response:
    """Yes; ``data.uid`` is what FastGPT will know the visitor by."""
    return jsonify(
        success=True, message="", msg="", code="ok", reference=reference, data={"uid": uid}
    )


def refused(error: ServiceError, voice: Voice, *, reference: str) -> Response:
    """No: one sentence in the visitor's language, with a number they can quote."""
    text = sentence(_spoken(error), voice.locale, error.params, *voice.overrides)
    text += REFERENCE[voice.locale].format(reference=reference)
    retry_after_s = getattr(error, "retry_after_s", None)
    return jsonify(
        success=False,
        message=text,
        msg=text,
        code=error.code,
        reference=reference,
        retry_after_s=retry_after_s,
        data={"uid": ""},
    )


def _spoken(error: ServiceError) -> str:
    """The code that has a sentence: which part of us is away is nothing a visitor can act on."""
    if error.code not in MESSAGES and isinstance(error, Unavailable):
        return "unavailable"
    return error.code
