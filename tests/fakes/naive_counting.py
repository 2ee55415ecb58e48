"""The counting rule of FastGPT's answers, written down as plainly as possible: an oracle."""

import json
from decimal import Decimal, localcontext
from typing import Any

OLD_DETAILS = ("pluginDetail", "toolDetail", "loopDetail", "parallelDetail", "loopRunDetail")
SELF_INCLUSIVE = {
    *("app", "appModule", "pluginModule", "loop", "loopRun", "parallelRun", "datasetSearchNode")
}
NOISE = Decimal("1e-9")


def body_total(body: bytes) -> Decimal:
    """The exact total of a finish body: points, or price in 2023 bodies."""
    document = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    with localcontext(prec=200):
        return sum(map(node_total, document.get("responseData", [])), Decimal(0))


def node_total(node: dict[str, Any]) -> Decimal:
    own = next((n for n in (node.get("totalPoints"), node.get("price")) if _is_number(n)), None)
    has_old_detail = any(node.get(name) for name in OLD_DETAILS)
    lists = [node.get(name) or [] for name in ("childrenResponses", *OLD_DETAILS)]
    children = [child for items in lists for child in items]
    below = sum(map(node_total, children), Decimal(0))
    if not children or own is None:
        return own or below
    if has_old_detail:
        return own
    if node.get("moduleType") in SELF_INCLUSIVE:
        return own if own >= below - NOISE else own + below
    child_total = node.get("childTotalPoints") or 0
    if node.get("moduleType") == "tools" and child_total and own >= child_total - NOISE:
        return own
    return own + below


def _is_number(value: object) -> bool:
    return isinstance(value, Decimal) and value.is_finite()
