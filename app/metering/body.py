"""Read the bodies FastGPT posts to the hooks: only what is needed, and never fail for the rest.

The body is decoded to slices of itself; a slice becomes an object only when the field matters. So
a large body costs little more than its own bytes, and a wrongly typed field costs that field.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from app.errors import Invalid
from app.metering import readings
from app.metering.json_repair import repair
from app.metering.nodes import Node, read_nodes
from app.metering.tally import Tally

APP_NAME_LENGTH_MAX = 200
CHAT_ID_LENGTH_MAX = 1024
"""FastGPT takes chat ids up to this long."""

COMMAS_MAX = 1_000_000
"""With more commas a body may hold so many values that a list of slices outweighs it."""

_ABSENT = msgspec.Raw()
_Wire = TypeVar("_Wire")


class Unreadable(Invalid):
    """A body that is not a JSON object even after repair."""

    code = "request_malformed"


@dataclass(frozen=True, slots=True)
class HookCall:
    """The body of init or start."""

    token: str | None
    question: str | None
    """As sent; anything but a string as its JSON text; None when there is none."""
    warnings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FinishBody:
    token: str | None
    app_name: str | None
    chat_id: str | None
    nodes: tuple[Node, ...]
    warnings: Mapping[str, int]
    body_digest: str
    """SHA-256 of the bytes of ``responseData``, in hex."""
    has_response_data: bool


class _WireQuestion(msgspec.Struct, rename="camel"):
    token: msgspec.Raw = _ABSENT
    question: msgspec.Raw = _ABSENT


class _WireFinish(msgspec.Struct, rename="camel"):
    token: msgspec.Raw = _ABSENT
    app_name: msgspec.Raw = _ABSENT
    chat_id: msgspec.Raw = _ABSENT
    response_data: msgspec.Raw = _ABSENT


_QUESTION = msgspec.json.Decoder(_WireQuestion)
_FINISH = msgspec.json.Decoder(_WireFinish)


def parse_question(body: bytes) -> HookCall:
    """Read an init or start body.

    Raises:
        Unreadable: it is no JSON object.
    """
    tally = Tally()
    wire, repaired = _decode(_QUESTION, body)
    question = readings.text(wire.question)
    if question is None and not (
        readings.is_absent(wire.question) or readings.is_null(wire.question)
    ):
        tally.add("question_not_a_string")
        question = bytes(wire.question).decode("utf-8", "replace")
    token = _token(wire.token, tally)
    return HookCall(token=token, question=question, warnings={**repaired, **tally.counts()})


def parse_finish(body: bytes) -> FinishBody:
    """Read a finish body of any FastGPT generation.

    Raises:
        Unreadable: it is no JSON object.
    """
    tally = Tally()
    wire, repaired = _decode(_FINISH, body)
    raw = wire.response_data
    if readings.is_null(raw):
        tally.add("response_data_null")
    return FinishBody(
        token=_token(wire.token, tally),
        app_name=readings.stored_text(wire.app_name, "appName", APP_NAME_LENGTH_MAX, tally),
        chat_id=readings.stored_text(wire.chat_id, "chatId", CHAT_ID_LENGTH_MAX, tally),
        nodes=read_nodes(raw, tally, is_dense=body.count(b",") > COMMAS_MAX),
        warnings={**repaired, **tally.counts()},
        body_digest=hashlib.sha256(memoryview(raw)).hexdigest(),
        has_response_data=not (readings.is_absent(raw) or readings.is_null(raw)),
    )


def _token(raw: msgspec.Raw, tally: Tally) -> str | None:
    token = readings.text(raw)
    if token is None and not readings.is_absent(raw):
        tally.add("token_not_a_string")
    return token


def _decode(decoder: "msgspec.json.Decoder[_Wire]", body: bytes) -> tuple[_Wire, Mapping[str, int]]:
    try:
        return decoder.decode(body), {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        repaired = repair(body)
    try:
        return decoder.decode(repaired.body), repaired.warnings
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the body is not a JSON object: {error}") from None
