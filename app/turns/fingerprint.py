"""What makes two finishes the same finish: FastGPT sends no event id.

Since 2024-08 every node result carries a random run id, so a digest of who asked and of the nodes'
ids and figures names the round for ever. Ids alone would not do: a round that goes on after a form
repeats the ids of its containers with that round's increments. Older bodies have no ids; two rounds
may really be alike, so an equal digest means a replay only for a while.
"""

import hashlib
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from app.metering.body import FinishBody
from app.metering.nodes import Node, SideCall, walk
from app.money import EXACT

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    digest: str
    """64 hex digits."""
    is_lasting: bool
    """Run ids are in it: an equal digest is a replay whenever it comes. Otherwise only within the
    configured window."""


def fingerprint(link_id: int, user_id: int, body: FinishBody) -> Fingerprint:
    """Digest link, subject, chat and the set of nodes with their figures.

    With run ids it depends on nothing else: not on key order, whitespace, the order of nodes or
    their texts. Without, the bytes of ``responseData`` are in it too, since questions and history
    are then all that tells two cheap rounds apart.
    """
    nodes = list(walk(body.nodes))
    is_lasting = any(node.id for node in nodes)
    canonical = [
        _VERSION,
        link_id,
        user_id,
        body.chat_id,
        sorted(msgspec.json.encode(_figures(node)) for node in nodes),
        None if is_lasting else body.body_digest,
    ]
    digest = hashlib.sha256(msgspec.json.encode(canonical)).hexdigest()
    return Fingerprint(digest=digest, is_lasting=is_lasting)


def _figures(node: Node) -> list[object]:
    return [
        node.id,
        node.parent_id,
        node.node_id,
        node.kind,
        node.model,
        _plain(node.points),
        _plain(node.price),
        _plain(node.child_points),
        _plain(node.running_time_s),
        node.input_tokens,
        node.output_tokens,
        node.tool_input_tokens,
        node.tool_output_tokens,
        node.embedding_tokens,
        node.rerank_tokens,
        node.lumped_tokens,
        node.characters,
        _side_figures(node.extension),
        _side_figures(node.deep_search),
    ]


def _side_figures(call: SideCall | None) -> list[object] | None:
    if call is None:
        return None
    return [call.input_tokens, call.output_tokens, call.embedding_tokens]


def _plain(value: Decimal | None) -> str | None:
    """One text for one number: 1, 1.0 and 1e0 are the same."""
    return None if value is None else str(value.normalize(EXACT))
