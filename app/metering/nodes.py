"""The nodes of a ``responseData`` list: only the fields that say what was used, and by whom.

Source: FastGPT's ChatHistoryItemResType in all versions from 4.4.6 (2023-09) to 4.15 (2026).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from app.metering import readings
from app.metering.tally import Tally

NODES_MAX = 20_000
NODE_DEPTH_MAX = 64
LEFT_OUT_MAX = 1_000_000
"""Values of one list that are skipped and counted; the rest of such a list is not looked at."""
ID_LENGTH_MAX = 200
MODEL_LENGTH_MAX = 200
KIND_LENGTH_MAX = 60
NAME_LENGTH_MAX = 200
UNKNOWN_FIELD_SCAN_MAX = 64 * 1024
"""Larger nodes are not searched for new money fields: their bulk is quotes and history."""

_ABSENT = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class SideCall:
    """A model that a dataset search used beside its own: query extension or deep search."""

    model: str
    input_tokens: int | None
    output_tokens: int | None
    embedding_model: str
    embedding_tokens: int | None


@dataclass(frozen=True, slots=True)
class Node:
    """One node result. Texts are scrubbed, tokens sane; points and price are as claimed."""

    id: str | None = None
    node_id: str | None = None
    parent_id: str | None = None
    kind: str = ""
    name: str = ""
    model: str = ""
    embedding_model: str = ""
    rerank_model: str = ""
    points: Decimal | None = None
    price: Decimal | None = None
    child_points: Decimal | None = None
    running_time_s: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    tool_input_tokens: int | None = None
    tool_output_tokens: int | None = None
    embedding_tokens: int | None = None
    rerank_tokens: int | None = None
    lumped_tokens: tuple[int | None, ...] = (None, None, None)
    """``tokens``, ``toolCallTokens``, ``extensionTokens``: not split, so never counted."""
    characters: tuple[int | None, ...] = (None, None)
    """``charsLength``, ``extensionCharsLength`` of early 2024."""
    has_request_ids: bool = False
    extension: SideCall | None = None
    deep_search: SideCall | None = None
    children: tuple["Node", ...] = ()
    """Items of ``childrenResponses`` (2026)."""
    details: tuple["Node", ...] = ()
    """Items of the classic lists ``pluginDetail``, ``toolDetail`` and the like."""

    @property
    def descendants(self) -> Iterator["Node"]:
        for child in (*self.children, *self.details):
            yield child
            yield from child.descendants


def walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """Every node of the trees, parents first."""
    for node in nodes:
        yield node
        yield from node.descendants


class _Wire(msgspec.Struct, rename="camel"):
    id: msgspec.Raw = _ABSENT
    node_id: msgspec.Raw = _ABSENT
    parent_id: msgspec.Raw = _ABSENT
    module_type: msgspec.Raw = _ABSENT
    module_name: msgspec.Raw = _ABSENT
    model: msgspec.Raw = _ABSENT
    embedding_model: msgspec.Raw = _ABSENT
    rerank_model: msgspec.Raw = _ABSENT
    total_points: msgspec.Raw = _ABSENT
    price: msgspec.Raw = _ABSENT
    child_total_points: msgspec.Raw = _ABSENT
    running_time: msgspec.Raw = _ABSENT
    input_tokens: msgspec.Raw = _ABSENT
    output_tokens: msgspec.Raw = _ABSENT
    tool_call_input_tokens: msgspec.Raw = _ABSENT
    tool_call_output_tokens: msgspec.Raw = _ABSENT
    embedding_tokens: msgspec.Raw = _ABSENT
    re_rank_input_tokens: msgspec.Raw = _ABSENT
    tokens: msgspec.Raw = _ABSENT
    tool_call_tokens: msgspec.Raw = _ABSENT
    extension_tokens: msgspec.Raw = _ABSENT
    chars_length: msgspec.Raw = _ABSENT
    extension_chars_length: msgspec.Raw = _ABSENT
    llm_request_ids: msgspec.Raw = _ABSENT
    query_extension_result: msgspec.Raw = _ABSENT
    deep_search_result: msgspec.Raw = _ABSENT
    children_responses: msgspec.Raw = _ABSENT
    plugin_detail: msgspec.Raw = _ABSENT
    tool_detail: msgspec.Raw = _ABSENT
    loop_detail: msgspec.Raw = _ABSENT
    parallel_detail: msgspec.Raw = _ABSENT
    loop_run_detail: msgspec.Raw = _ABSENT


class _WireSideCall(msgspec.Struct, rename="camel"):
    model: msgspec.Raw = _ABSENT
    llm_model: msgspec.Raw = _ABSENT
    input_tokens: msgspec.Raw = _ABSENT
    output_tokens: msgspec.Raw = _ABSENT
    embedding_model: msgspec.Raw = _ABSENT
    embedding_tokens: msgspec.Raw = _ABSENT


_NODE = msgspec.json.Decoder(_Wire)
_SIDE_CALL = msgspec.json.Decoder(_WireSideCall)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])

_MONEY_FIELD = re.compile(rb'"(\w{0,40}(?:[pP]oints|[tT]okens|[pP]rice))"')
_KNOWN_FIELDS = frozenset(field.encode() for field in _Wire.__struct_encode_fields__) | {
    b"maxTokens",  # a setting of the node, not a use
}


def read_nodes(raw: msgspec.Raw, tally: Tally, *, is_dense: bool) -> tuple[Node, ...]:
    """The nodes of a list; empty when it is none. ``is_dense``: see ``readings.items``."""
    return _Reader(tally, is_dense=is_dense).read(raw, depth=1)


class _Reader:
    """Reads one body's tree within the bounds on its size."""

    def __init__(self, tally: Tally, *, is_dense: bool) -> None:
        self._tally = tally
        self._is_dense = is_dense
        self._count = 0

    def read(self, raw: msgspec.Raw, *, depth: int) -> tuple[Node, ...]:
        if readings.is_absent(raw) or readings.is_null(raw):
            return ()
        values = readings.items(raw, is_dense=self._is_dense)
        if values is None:
            self._tally.add("children_not_a_list" if depth > 1 else "response_data_not_a_list")
            return ()
        return tuple(self._node(value, depth) for value in self._objects(values, depth))

    def _objects(self, values: Iterable[msgspec.Raw], depth: int) -> list[msgspec.Raw]:
        """Those of the values that become nodes; the others are counted."""
        taken: list[msgspec.Raw] = []
        left_out = others = 0
        room = NODES_MAX - self._count if depth <= NODE_DEPTH_MAX else 0
        for value in values:
            if readings.first_byte(value) != b"{":
                others += 1
            elif len(taken) < room:
                taken.append(value)
            else:
                left_out += 1
            if others + left_out >= LEFT_OUT_MAX:
                break
        self._count += len(taken)
        if others:
            self._tally.add("node_not_an_object", times=others)
        if left_out:
            is_deep = depth > NODE_DEPTH_MAX
            self._tally.add("nodes_too_deep" if is_deep else "nodes_too_many", times=left_out)
        return taken

    def _node(self, raw: msgspec.Raw, depth: int) -> Node:
        wire, tally = _NODE.decode(raw), self._tally
        self._note_unknown_fields(raw)
        return Node(
            id=readings.stored_text(wire.id, "id", ID_LENGTH_MAX, tally),
            node_id=readings.stored_text(wire.node_id, "nodeId", ID_LENGTH_MAX, tally),
            parent_id=readings.stored_text(wire.parent_id, "parentId", ID_LENGTH_MAX, tally),
            kind=readings.stored_text(wire.module_type, "moduleType", KIND_LENGTH_MAX, tally) or "",
            name=(readings.text(wire.module_name) or "")[:NAME_LENGTH_MAX],
            model=self._model(wire.model, "model"),
            embedding_model=self._model(wire.embedding_model, "embeddingModel"),
            rerank_model=self._model(wire.rerank_model, "rerankModel"),
            points=readings.amount(wire.total_points, "points", tally),
            price=readings.amount(wire.price, "price", tally),
            child_points=readings.amount(wire.child_total_points, "child_points", tally),
            running_time_s=readings.amount(wire.running_time, "running_time", tally),
            input_tokens=readings.tokens(wire.input_tokens, tally),
            output_tokens=readings.tokens(wire.output_tokens, tally),
            tool_input_tokens=readings.tokens(wire.tool_call_input_tokens, tally),
            tool_output_tokens=readings.tokens(wire.tool_call_output_tokens, tally),
            embedding_tokens=readings.tokens(wire.embedding_tokens, tally),
            rerank_tokens=readings.tokens(wire.re_rank_input_tokens, tally),
            lumped_tokens=(
                readings.tokens(wire.tokens, tally),
                readings.tokens(wire.tool_call_tokens, tally),
                readings.tokens(wire.extension_tokens, tally),
            ),
            characters=(
                readings.tokens(wire.chars_length, tally),
                readings.tokens(wire.extension_chars_length, tally),
            ),
            has_request_ids=readings.first_byte(wire.llm_request_ids) == b"[",
            extension=self._side_call(wire.query_extension_result),
            deep_search=self._side_call(wire.deep_search_result),
            children=self.read(wire.children_responses, depth=depth + 1),
            details=tuple(
                node
                for listed in (
                    wire.plugin_detail,
                    wire.tool_detail,
                    wire.loop_detail,
                    wire.parallel_detail,
                    wire.loop_run_detail,
                )
                for node in self.read(listed, depth=depth + 1)
            ),
        )

    def _side_call(self, raw: msgspec.Raw) -> SideCall | None:
        if readings.first_byte(raw) != b"{":
            return None
        wire = _SIDE_CALL.decode(raw)
        return SideCall(
            model=self._model(wire.model, "model") or self._model(wire.llm_model, "llmModel"),
            input_tokens=readings.tokens(wire.input_tokens, self._tally),
            output_tokens=readings.tokens(wire.output_tokens, self._tally),
            embedding_model=self._model(wire.embedding_model, "embeddingModel"),
            embedding_tokens=readings.tokens(wire.embedding_tokens, self._tally),
        )

    def _model(self, raw: msgspec.Raw, field: str) -> str:
        return readings.stored_text(raw, field, MODEL_LENGTH_MAX, self._tally) or ""

    def _note_unknown_fields(self, raw: msgspec.Raw) -> None:
        """Warn of numbers that look like money or tokens under names this service has not met."""
        view = memoryview(raw)
        if len(view) > UNKNOWN_FIELD_SCAN_MAX:
            return
        if all(name in _KNOWN_FIELDS for name in _MONEY_FIELD.findall(view)):
            return
        try:
            fields = _FIELDS.decode(raw)
        except UnicodeDecodeError:  # a field's name, somewhere below, is not UTF-8
            return
        for name, value in fields.items():
            is_money = _MONEY_FIELD.fullmatch(f'"{readings.scrub(name)}"'.encode())
            if is_money and name.encode() not in _KNOWN_FIELDS and readings.is_number(value):
                self._tally.add("unknown_field", name)
