"""What may be seen of a body that holds a conversation: its shape, its numbers, no words of it."""

import json
from typing import Any

from app.metering.json_repair import repair

SHOWN_MAX = 200_000
LISTED_MAX = 200
DEPTH_MAX = 64

_TEXTS = frozenset(
    {
        "moduleType",
        "moduleName",
        "model",
        "embeddingModel",
        "rerankModel",
        "llmModel",
        "id",
        "nodeId",
        "parentId",
        "chatId",
        "appName",
    }
)
"""Names of things, which no visitor has written."""
_NUMBERS = ("points", "tokens", "price", "time", "length")
"""Endings of fields whose numbers are uses and sizes."""
_BELOW = frozenset(
    {
        "responseData",
        "childrenResponses",
        "pluginDetail",
        "toolDetail",
        "loopDetail",
        "parallelDetail",
        "loopRunDetail",
        "queryExtensionResult",
        "deepSearchResult",
    }
)
"""Fields in which there is more of the kind."""


def masked(body: bytes) -> str | None:
    """The body as JSON with all content replaced by its size; None when it cannot be read.

    Long lists and texts are cut.
    """
    document = _parsed(body)
    if not isinstance(document, dict):
        return None
    text = json.dumps(_object(document, 0), ensure_ascii=False, indent=2)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}\n…"


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(repair(body).body)
    except (ValueError, RecursionError):
        return None


def _object(value: dict[str, Any], depth: int) -> dict[str, Any]:
    return {
        _name(name): _field(name, inner, depth) for name, inner in list(value.items())[:LISTED_MAX]
    }


def _field(name: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    if name in _BELOW and depth < DEPTH_MAX:
        if isinstance(value, list):
            return [
                _object(one, depth + 1) if isinstance(one, dict) else _size(one)
                for one in value[:LISTED_MAX]
            ]
        if isinstance(value, dict):
            return _object(value, depth + 1)
    if name in _TEXTS and isinstance(value, str):
        return value[:LISTED_MAX]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float) and name.lower().endswith(_NUMBERS):
        return value
    return _size(value)


def _size(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return f"••• ({len(value)})"
    if isinstance(value, list | dict):
        return f"[{len(value)}]" if isinstance(value, list) else f"{{{len(value)}}}"
    return "•••"


def _name(name: str) -> str:
    return name if len(name) <= 40 and name.isidentifier() and name.isascii() else "•••"  # noqa: PLR2004 - no field of FastGPT's is longer
