"""The nodes of an answer that have no children, each with the amount it stands for.

A ``Pen`` is the handwriting of one FastGPT generation: which money field, which token fields, ids
or none. A ``Node`` knows its counted total by how it was made, never by reading itself again.
"""

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.simulator import texts
from app.simulator.javascript import exact
from app.simulator.texts import Json

GENERATIONS: Final = ("G0", "G1", "G2", "G3", "G4", "G5")

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Model:
    """A chat model as a team configures it; prices per 1,000 tokens, in points."""

    name: str
    input_price: float
    output_price: float


MODELS = (
    Model("qwen-max", 0.4, 1.2),
    Model("gpt-4o", 1.5, 6.0),
    Model("claude-sonnet-4", 3.0, 15.0),
    Model("deepseek-chat", 0.07, 1.1),
    Model("qwen-turbo", 0.3, 0.9),
    Model("glm-4-flash", 0.001, 0.0013),  # tiny amounts, printed with an exponent now and then
)


@dataclass(frozen=True, slots=True)
class Node:
    """One node of ``responseData``.

    ``bill`` is the double FastGPT adds up into the parents; ``total`` is the exact amount that
    counts for this node and everything below it.
    """

    fields: Json
    bill: float
    total: Decimal


class Pen:
    """Writes nodes as one generation of FastGPT does."""

    def __init__(self, rng: random.Random, generation: str) -> None:
        self.rng = rng
        self.generation = generation
        self.money = "price" if generation in ("G0", "G1") else "totalPoints"
        # Node ids came with 4.8.10, in the middle of G3.
        self.has_ids = generation in ("G4", "G5") or (generation == "G3" and rng.random() < 0.5)  # noqa: PLR2004
        self.has_child_total = self.has_ids and generation != "G5"

    def node(self, kind: str, name: str, **fields: object) -> Json:
        """The fields every node has in this generation, then the given ones."""
        head: Json = {}
        if self.has_ids:
            head["id"] = texts.identifier(self.rng)
        if self.generation in ("G3", "G4", "G5"):
            head["nodeId"] = texts.identifier(self.rng, 12)
        head |= {"moduleName": name, "moduleType": kind}
        if self.generation != "G0":
            head["runningTime"] = self.rng.randint(0, 1500) / 100
        return {**head, **fields}

    def billed(self, node: Json, bill: float) -> Node:
        """A node that shows its own amount and has no children."""
        return Node({**node, self.money: bill}, bill, exact(bill))


def idle(pen: Pen, kind: str = "workflowStart", name: str = "流程开始", **fields: object) -> Node:
    """A node without any money field."""
    return Node(pen.node(kind, name, **fields), 0.0, ZERO)


def failed(pen: Pen, kind: str = "chatNode") -> Node:
    """A node that only says what went wrong; some errors are objects, some text."""
    if pen.rng.random() < 0.5:  # noqa: PLR2004 - a coin
        return idle(pen, kind, "出错", errorText="429 You exceeded your current quota")
    return idle(pen, kind, "出错", error={"message": "timeout of 30000ms exceeded", "code": None})


def model_call(
    pen: Pen, kind: str = "chatNode", *, has_own_key: bool = False, is_cut: bool = False
) -> Node:
    """One call of a chat model; with the team's own key it costs nothing but shows its tokens."""
    rng, model = pen.rng, pen.rng.choice(MODELS)
    tokens_in, tokens_out = rng.randint(20, 9000), rng.randint(1, 1500)
    bill = 0.0 if has_own_key else llm_bill(pen, model, tokens_in, tokens_out)
    fields = pen.node(kind, "AI 对话", model=model.name, **llm_tokens(pen, tokens_in, tokens_out))
    fields |= {"query": texts.sentence(rng), "maxToken": 4000}
    fields["historyPreview"] = texts.history(rng)
    if pen.generation in ("G4", "G5"):
        fields["finishReason"] = "close" if is_cut else "stop"
    return pen.billed(fields, bill)


def llm_bill(pen: Pen, model: Model, tokens_in: int, tokens_out: int) -> float:
    """FastGPT's own arithmetic, doubles and all; 2023 prices are 1e-5 CNY for each token."""
    if pen.money == "price":
        return model.output_price * (tokens_in + tokens_out)
    return model.input_price * (tokens_in / 1000) + model.output_price * (tokens_out / 1000)


def llm_tokens(pen: Pen, tokens_in: int, tokens_out: int) -> Json:
    """The token fields of a chat model's call in this generation."""
    rng = pen.rng
    split: Json = {"inputTokens": tokens_in, "outputTokens": tokens_out}
    if pen.generation in ("G0", "G3"):
        return {"tokens": tokens_in + tokens_out}
    if pen.generation == "G2":
        return {"charsLength": 3 * (tokens_in + tokens_out)}
    if pen.generation == "G5":
        ids = [texts.identifier(rng, 24)]
        return {**split, "modelId": texts.identifier(rng, 24), "llmRequestIds": ids}
    if rng.random() < 0.2:  # noqa: PLR2004 - some builds of both send an older field beside them
        older = "charsLength" if pen.generation == "G1" else "tokens"
        return {**split, older: tokens_in + tokens_out}
    return split


def dataset_search(pen: Pen, *, quote_count: int | None = None, is_rich: bool = False) -> Node:
    """A search; ``is_rich`` adds re-ranking, query extension and deep search where they exist.

    Its one amount lumps all of them.
    """
    rng = pen.rng
    count = rng.randint(0, 3) if quote_count is None else quote_count
    kind = "kbSearchNode" if pen.generation == "G0" else "datasetSearchNode"
    tokens = rng.randint(3, 60)
    query = f"{texts.sentence(rng)} {texts.identifier(rng, 6)}"  # no two rounds are the same
    fields = pen.node(kind, "知识库搜索", query=query, similarity=0.4, limit=5000)
    fields["searchMode"] = rng.choice(("embedding", "fullTextRecall", "mixedRecall"))
    bill = 0.2 * tokens if pen.money == "price" else 0.1 * (tokens / 1000)
    fields |= _embedding_tokens(pen, tokens)
    if is_rich and pen.generation in ("G2", "G3", "G4", "G5"):
        extra, rich_bill = _extension(pen)
        fields |= extra
        bill += rich_bill
    fields["quoteList"] = texts.quotes(rng, count)
    return pen.billed(fields, bill)


def _embedding_tokens(pen: Pen, tokens: int) -> Json:
    model = "text-embedding-v4"
    if pen.generation in ("G0", "G3"):
        return {"model": model, "tokens": tokens}
    if pen.generation == "G1":
        return {"model": model, "inputTokens": tokens, "outputTokens": 0}
    if pen.generation == "G2":
        return {"model": model, "charsLength": tokens}
    return {"embeddingModel": model, "embeddingTokens": tokens}


def _extension(pen: Pen) -> tuple[Json, float]:
    rng, model = pen.rng, pen.rng.choice(MODELS)
    used = rng.randint(100, 900), rng.randint(10, 90)
    bill = llm_bill(pen, model, *used)
    if pen.generation in ("G2", "G3"):
        counted = "extensionCharsLength" if pen.generation == "G2" else "extensionTokens"
        return {"extensionModel": model.name, "extensionResult": "…", counted: sum(used)}, bill
    reranked, deep = rng.randint(500, 9000), (rng.randint(500, 3000), rng.randint(20, 400))
    bill += 0.1 * (reranked / 1000) + llm_bill(pen, model, *deep)
    fields: Json = {
        "rerankModel": "bge-reranker-v2-m3",
        "reRankInputTokens": reranked,
        "searchUsingReRank": True,
        "deepSearchResult": _split(model, deep),
    }
    if pen.generation == "G4":
        fields["queryExtensionResult"] = _split(model, used) | {"query": "试用期期限"}
    return fields, bill


def _split(model: Model, used: tuple[int, int]) -> Json:
    return {"model": model.name, "inputTokens": used[0], "outputTokens": used[1]}


def system_tool(pen: Pen, price: float) -> Node:
    """A tool of the system with a configured price for each call."""
    result = {"result": [{"title": "X200", "link": "https://example.com/x200"}]}
    return pen.billed(pen.node("tool", "联网搜索", toolRes=result), price)


def free_tool(pen: Pen) -> Node:
    """An MCP or HTTP tool: no money field at all."""
    return idle(pen, "tool", "get_order", toolRes={"content": [{"type": "text", "text": "ok"}]})


def http_call(pen: Pen) -> Node:
    """Costs nothing and says so: a literal 0."""
    deep: object = "shipped"
    for _ in range(pen.rng.randint(1, 30)):
        deep = {"next": deep}
    body = {"sku": "X200", "huge": 1e308}
    return pen.billed(pen.node("httpRequest468", "查物流", body=body, httpResult=deep), 0.0)
