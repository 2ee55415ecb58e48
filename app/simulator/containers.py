"""Nodes with children, in the regimes FastGPT has had: which parents include what is below them.

Until 2025 every parent is inclusive. In 2026 rows moved to ``childrenResponses``; some parents
still include them, tool calls and loops of the newest builds do not.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce

from app.money import EXACT
from app.simulator import texts
from app.simulator.javascript import exact
from app.simulator.nodes import MODELS, ZERO, Node, Pen, llm_bill
from app.simulator.texts import Json


def total_of(nodes: Sequence[Node]) -> Decimal:
    """The exact sum: no digit is rounded away."""
    return reduce(EXACT.add, (node.total for node in nodes), ZERO)


def bill_of(nodes: Sequence[Node]) -> float:
    """The sum as JavaScript makes it, one double after the other."""
    return reduce(lambda left, right: left + right, (node.bill for node in nodes), 0.0)


def inclusive(
    pen: Pen, fields: Json, children: Sequence[Node], *, under: str, own: float = 0.0
) -> Node:
    """A parent whose amount already holds its children's: only that amount counts."""
    bill = own + bill_of(children)
    shown = {**fields, pen.money: bill, **_children(fields, under, children)}
    return Node(shown, bill, exact(bill))


def exclusive(
    pen: Pen, fields: Json, children: Sequence[Node], *, own: float | None = None
) -> Node:
    """A 2026 parent whose amount, if it shows one, is its own: the children are added."""
    shown = {**fields, **_children(fields, "childrenResponses", children)}
    below = total_of(children)
    if own is None:
        return Node(shown, bill_of(children), below)
    bill = own + bill_of(children)  # what an inclusive parent further up would hold
    return Node({**shown, pen.money: own}, bill, EXACT.add(exact(own), below))


def flat_fee(pen: Pen, fee: float, children: Sequence[Node]) -> Node:
    """A commercial plugin: its fee counts, however much more its visible children show."""
    fields = pen.node("pluginModule", "合同要素抽取", pluginOutput={"parties": ["甲方", "乙方"]})
    shown = {**fields, pen.money: fee, **_children(fields, "pluginDetail", children)}
    return Node(shown, fee, exact(fee))


def without_total(
    pen: Pen, kind: str, children: Sequence[Node], *, under: str, is_null: bool
) -> Node:
    """A parent whose amount got lost (a NaN becomes null): its children stand for it."""
    fields = pen.node(kind, "子应用")
    lost: Json = {pen.money: None} if is_null else {}
    shown = {**fields, **lost, **_children(fields, under, children)}
    return Node(shown, bill_of(children), total_of(children))


def tool_call(pen: Pen, children: Sequence[Node], *, is_exclusive: bool = False) -> Node:
    """The tool-calling agent, ``tools``: its own model calls and what the tools ran."""
    rng, model = pen.rng, pen.rng.choice(MODELS)
    used = rng.randint(800, 6000), rng.randint(50, 500)
    own = llm_bill(pen, model, *used)
    fields = pen.node("tools", "工具调用", model=model.name, query=texts.sentence(rng))
    if is_exclusive:
        fields |= {"inputTokens": used[0], "outputTokens": used[1]}
        fields["llmRequestIds"] = [texts.identifier(rng, 24), texts.identifier(rng, 24)]
        return exclusive(pen, fields, children, own=own)
    if pen.generation == "G3":
        fields["toolCallTokens"] = sum(used)
    else:
        fields |= {"toolCallInputTokens": used[0], "toolCallOutputTokens": used[1]}
    if pen.has_child_total or pen.generation == "G5":
        fields["childTotalPoints"] = bill_of(children)
    fields |= {"historyPreview": texts.history(rng), "mergeSignId": texts.identifier(rng)}
    under = "toolDetail" if pen.generation != "G5" or rng.random() < 0.5 else "childrenResponses"  # noqa: PLR2004
    return inclusive(pen, fields, children, under=under, own=own)


def _children(fields: Json, under: str, children: Sequence[Node]) -> Json:
    listed = [child.fields for child in children]
    if under != "childrenResponses":
        return {under: listed}
    parent = fields.get("id")
    rows = [{**row, "parentId": parent} for row in listed]
    return {"childResponseCount": len(rows), under: rows}
