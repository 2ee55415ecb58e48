"""Which FastGPT generation a body looks like. FastGPT sends no version; fields tell it apart.

======  =======================  ===================================================
``G0``  2023-09 to 2023-11       ``price`` and ``tokens``
``G1``  2023-11 to 2024-02       ``price`` and ``inputTokens``, ``outputTokens``
``G2``  2024-02 to 2024-03       ``totalPoints`` and ``charsLength``
``G3``  2024-03 to 2024-12       ``totalPoints`` and ``tokens``
``G4``  2024-12 to 2025          ``totalPoints`` and ``inputTokens``, ``outputTokens``
``G5``  2026                     as G4, with ``chatId``, ``childrenResponses``, request ids
``G?``  -                        nothing in the body tells
======  =======================  ===================================================
"""

from collections.abc import Sequence

from app.metering.nodes import Node, walk

UNKNOWN = "G?"


def recognise(nodes: Sequence[Node], *, unit: str, has_chat_id: bool) -> str:
    """The newest generation that the body shows a mark of."""
    everything = list(walk(nodes))
    is_split = any(_has_split_tokens(node) for node in everything)
    if unit == "price":
        counts_characters = any(_has_any(node.characters) for node in everything)
        return "G1" if is_split or counts_characters else "G0"
    if has_chat_id or any(_is_of_2026(node) for node in everything):
        return "G5"
    if is_split:
        return "G4"
    if any(_has_any(node.lumped_tokens) for node in everything):
        return "G3"
    if any(_has_any(node.characters) for node in everything):
        return "G2"
    return _by_ids(everything)


def _is_of_2026(node: Node) -> bool:
    return bool(node.children or node.has_request_ids or node.parent_id)


def _has_split_tokens(node: Node) -> bool:
    return node.extension is not None or _has_any(
        (
            node.input_tokens,
            node.output_tokens,
            node.tool_input_tokens,
            node.tool_output_tokens,
            node.embedding_tokens,
            node.rerank_tokens,
        )
    )


def _has_any(values: tuple[int | None, ...]) -> bool:
    return any(value is not None for value in values)


def _by_ids(nodes: Sequence[Node]) -> str:
    """Run ids came in 2024-08, but a body without any token count is likelier a year younger."""
    if any(node.id for node in nodes):
        return "G4"
    return "G3" if any(node.node_id or node.points is not None for node in nodes) else UNKNOWN
