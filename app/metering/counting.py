"""Count what one answer used: a total that equals FastGPT's bill, split into lines.

FastGPT neither says its version nor whether a parent's figure includes its children's, so the
rule goes by the shape of each node. README.md of this package explains it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from app.metering import generations
from app.metering.kinds import INCLUSIVE_CONTAINERS, KNOWN_KINDS, TOOL_CALL
from app.metering.nodes import Node, SideCall, walk
from app.metering.tally import Tally
from app.money import EXACT

Regime = Literal["auto", "inclusive", "exclusive"]
Unit = Literal["points", "price"]

NOISE = Decimal("1e-9")
"""FastGPT adds doubles: a parent this much below its children still includes them."""
TOTAL_MAX = Decimal(10**9)
"""A larger total is not believed; it would not fit the ledger either."""
PRICE_UNITS_PER_POINT = 100_000
"""Scales the bound on a node's points to the 2023 unit of 1e-5 CNY."""
RUNNING_TIME_MAX_S = Decimal(10**7)

_ZERO = Decimal(0)
_QUERY_EXTENSION = re.compile("query.?extension|问题优化|問題優化", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """What one model call or one charged node used. Tokens are None when the body has no figure."""

    model: str
    node_kind: str
    input_tokens: int | None
    output_tokens: int | None
    embedding_tokens: int | None
    rerank_tokens: int | None
    points: Decimal
    """In the usage's unit; exact, never negative; all lines add up to the total exactly."""
    is_covered: bool = False
    """No points here, though FastGPT did not give it for free: another line has its cost."""


@dataclass(frozen=True, slots=True)
class Usage:
    generation: str
    unit: Unit
    """What ``total`` and the lines' ``points`` count: points, or units of 1e-5 CNY (2023)."""
    total: Decimal
    lines: tuple[Line, ...]
    input_tokens: int | None
    """Prompt, embedding and rerank tokens together; None when no node has a split figure."""
    output_tokens: int | None
    node_count: int
    running_time_ms: int | None
    warnings: Mapping[str, int]


def count(
    nodes: Sequence[Node],
    *,
    regime: Regime,
    points_per_node_max: Decimal,
    has_chat_id: bool = False,
) -> Usage:
    """Add the nodes up. Never raises; what cannot be believed is left out with a warning.

    ``regime`` says whether parents include their children: ``auto`` decides by shape,
    ``inclusive`` believes every parent that has a figure, ``exclusive`` adds every figure.
    """
    tally = Tally()
    everything = list(walk(nodes))
    unit = _unit(everything, tally)
    counter = _Counter(unit, regime, points_per_node_max, tally)
    drafts: list[_Draft] = []
    total = _ZERO
    for node in nodes:
        amount, below = counter.subtree(node)
        total = EXACT.add(total, amount)
        drafts += below
    if total > TOTAL_MAX:
        tally.add("total_absurd")
        total = _ZERO
        _clear(drafts)
    _note_kinds(everything, tally)
    lines = tuple(draft.line() for draft in drafts if draft.has_content)
    return Usage(
        generation=generations.recognise(nodes, unit=unit, has_chat_id=has_chat_id),
        unit=unit,
        total=total,
        lines=lines,
        input_tokens=_sum(
            tokens
            for line in lines
            for tokens in (line.input_tokens, line.embedding_tokens, line.rerank_tokens)
        ),
        output_tokens=_sum(line.output_tokens for line in lines),
        node_count=len(everything),
        running_time_ms=_running_time_ms(nodes, tally),
        warnings=tally.counts(),
    )


@dataclass(slots=True)
class _Draft:
    """A line while the tree is walked: parents may still take points back from it."""

    model: str
    node_kind: str
    points: Decimal = _ZERO
    input_tokens: int | None = None
    output_tokens: int | None = None
    embedding_tokens: int | None = None
    rerank_tokens: int | None = None
    is_covered: bool = False

    @property
    def has_content(self) -> bool:
        return bool(self.model or self.points) or self.has_tokens

    @property
    def has_tokens(self) -> bool:
        counts = (
            self.input_tokens,
            self.output_tokens,
            self.embedding_tokens,
            self.rerank_tokens,
        )
        return any(tokens is not None for tokens in counts)

    def line(self) -> Line:
        return Line(
            model=self.model,
            node_kind=self.node_kind,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            embedding_tokens=self.embedding_tokens,
            rerank_tokens=self.rerank_tokens,
            points=self.points,
            is_covered=self.is_covered,
        )


class _Counter:
    """Applies one body's unit, regime and bounds to each of its nodes."""

    def __init__(self, unit: Unit, regime: Regime, points_max: Decimal, tally: Tally) -> None:
        self._unit = unit
        self._regime = regime
        self._max = points_max if unit == "points" else points_max * PRICE_UNITS_PER_POINT
        self._tally = tally

    def subtree(self, node: Node) -> tuple[Decimal, list[_Draft]]:
        """What the node and all below it cost, and the lines of it."""
        below: list[_Draft] = []
        children = _ZERO
        for child in (*node.children, *node.details):
            amount, drafts = self.subtree(child)
            children = EXACT.add(children, amount)
            below += drafts
        own = self._own(node)
        total = self._total(node, own, children)
        mine = _main_draft(node)
        residue = EXACT.subtract(total, children)
        if residue >= 0:
            mine.points = residue
        elif not (residue >= -NOISE and _fold(below, residue)):
            # A flat fee below what its steps show: the fee is what FastGPT bills.
            _clear(below)
            mine.points = total
        sides = _side_drafts(node)
        for side in sides:
            side.is_covered = total > 0
        return total, [mine, *sides, *below]

    def _own(self, node: Node) -> Decimal | None:
        """The node's claimed figure, or None when it has none that can be believed."""
        claimed = node.points if self._unit == "points" else node.price
        if claimed is None:
            return None
        if claimed < 0:
            self._tally.add(f"{self._unit}_negative")
            return None
        if claimed > self._max:
            self._tally.add(f"{self._unit}_absurd")
            return None
        return claimed

    def _total(self, node: Node, own: Decimal | None, children: Decimal) -> Decimal:
        if not (node.children or node.details):
            return own or _ZERO
        if own is None:
            return children
        both = EXACT.add(own, children)
        self._note_doubt(node, own, children)
        if self._regime == "inclusive":
            return own
        if self._regime == "exclusive":
            return both
        return own if _includes_children(node, own, children) else both

    def _note_doubt(self, node: Node, own: Decimal, children: Decimal) -> None:
        """Tell the operator where the regime mattered and could not be read off the body."""
        if not (own and children):
            return
        if self._regime == "exclusive" and node.details:
            self._tally.add("classic_children_added")
        elif self._regime == "inclusive" and own < children - NOISE and not node.details:
            self._tally.add("children_left_out")
        elif self._regime == "auto" and _is_guessed(node):
            self._tally.add("inclusion_guessed", node.kind)


def _includes_children(node: Node, own: Decimal, children: Decimal) -> bool:
    if node.details:
        return True
    if node.kind in INCLUSIVE_CONTAINERS:
        return own >= children - NOISE
    if node.kind == TOOL_CALL:
        said = node.child_points
        return said is not None and said != 0 and own >= said - NOISE
    return False


def _is_guessed(node: Node) -> bool:
    """Both answers are possible: the 2026 versions differ, and nothing in the node decides."""
    if node.details or node.kind == "datasetSearchNode":
        return False
    return node.kind in INCLUSIVE_CONTAINERS or (node.kind == TOOL_CALL and not node.child_points)


def _unit(nodes: Sequence[Node], tally: Tally) -> Unit:
    """Points when any node has them; then prices beside them are warned of and left out."""
    priced = sum(1 for node in nodes if node.price is not None)
    if any(node.points is not None for node in nodes):
        if priced:
            tally.add("price_beside_points", times=priced)
        return "points"
    return "price" if priced else "points"


def _main_draft(node: Node) -> _Draft:
    tokens_in = _sum((node.input_tokens, node.tool_input_tokens))
    draft = _Draft(node.model or node.embedding_model, node.kind)
    draft.input_tokens = tokens_in
    draft.output_tokens = _sum((node.output_tokens, node.tool_output_tokens))
    draft.embedding_tokens = node.embedding_tokens
    if not node.rerank_model:
        draft.rerank_tokens = node.rerank_tokens
    return draft


def _side_drafts(node: Node) -> list[_Draft]:
    """Models used beside a node's own: their cost is lumped into the node's, their tokens not."""
    drafts = []
    if node.rerank_model and node.rerank_tokens is not None:
        rerank = _Draft(node.rerank_model, node.kind, rerank_tokens=node.rerank_tokens)
        drafts.append(rerank)
    if node.extension is not None and not _has_extension_row(node):
        drafts += _call_drafts(node.extension, node.kind)
    if node.deep_search is not None:
        drafts += _call_drafts(node.deep_search, node.kind)
    return drafts


def _call_drafts(call: SideCall, kind: str) -> list[_Draft]:
    main = _Draft(
        call.model, kind, input_tokens=call.input_tokens, output_tokens=call.output_tokens
    )
    embedding = _Draft(
        call.embedding_model or call.model, kind, embedding_tokens=call.embedding_tokens
    )
    return [main, embedding] if embedding.has_tokens else [main]


def _has_extension_row(node: Node) -> bool:
    """Whether the query extension also stands among the children, where it is counted.

    Such rows are named by FastGPT's own text (or its key), so equal token counts serve as well.
    """
    call = node.extension
    for child in node.children:
        if child.kind == "cfr" or _QUERY_EXTENSION.search(child.name):
            return True
        if (
            call is not None
            and call.input_tokens
            and (child.input_tokens, child.output_tokens) == (call.input_tokens, call.output_tokens)
        ):
            return True
    return False


def _fold(drafts: Sequence[_Draft], noise: Decimal) -> bool:
    """Take negative rounding noise off the largest line; False when none is large enough."""
    largest = max(drafts, key=lambda draft: draft.points, default=None)
    if largest is None or largest.points + noise < 0:
        return False
    largest.points = EXACT.add(largest.points, noise)
    return True


def _clear(drafts: Sequence[_Draft]) -> None:
    """Take all points off the lines: something else says what they cost together."""
    for draft in drafts:
        draft.is_covered = draft.is_covered or draft.points > 0
        draft.points = _ZERO


def _note_kinds(nodes: Sequence[Node], tally: Tally) -> None:
    for node in nodes:
        if not node.kind:
            tally.add("node_kind_missing")
        elif node.kind not in KNOWN_KINDS:
            tally.add("unknown_node_kind", node.kind)


def _running_time_ms(nodes: Sequence[Node], tally: Tally) -> int | None:
    """Of the top-level nodes: a container's time covers its children's."""
    times = []
    for node in nodes:
        seconds = node.running_time_s
        if seconds is None:
            continue
        if not 0 <= seconds <= RUNNING_TIME_MAX_S:
            tally.add("running_time_absurd")
            continue
        times.append(seconds)
    if not times:
        return None
    return int((sum(times, _ZERO) * 1000).to_integral_value(ROUND_HALF_UP))


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [tokens for tokens in counts if tokens is not None]
    return sum(known) if known else None
