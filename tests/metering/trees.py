"""Random ``responseData`` trees as each FastGPT generation builds them, each with its known bill.

Figures are doubles added up in the order JavaScript would, so parents carry real rounding noise.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import strategies as st

GENERATIONS = ("G0", "G1", "G2", "G3", "G4", "G5-inclusive", "G5-exclusive")
MODELS = ("gpt-4o", "qwen-max", "deepseek-chat", "模型 🚀", "")
SILENT_KINDS = ("workflowStart", "answerNode", "code", "ifElseNode", "variableUpdate", "textEditor")


@dataclass
class Tree:
    """``nodes`` as FastGPT would send them, and what a right reading of them finds."""

    generation: str
    nodes: list[dict] = field(default_factory=list)
    total: Decimal = Decimal(0)
    input_tokens: Counter = field(default_factory=Counter)
    """By model; only generations with split figures."""
    output_tokens: Counter = field(default_factory=Counter)
    node_count: int = 0

    def body(self, **extra: object) -> bytes:
        return json.dumps(
            {"token": "t", "appName": "应用", "responseData": self.nodes, **extra},
            ensure_ascii=False,
        ).encode()


def trees(*generations: str, depth: int = 3) -> st.SearchStrategy[Tree]:
    return st.builds(
        lambda rng, generation: grow(rng, generation, depth),
        st.randoms(use_true_random=False),
        st.sampled_from(generations or GENERATIONS),
    )


def grow(rng: random.Random, generation: str, depth: int = 3) -> Tree:
    return _Grower(rng, generation).grow(depth)


class _Grower:
    def __init__(self, rng: random.Random, generation: str) -> None:
        self.rng = rng
        self.tree = Tree(generation)
        self.is_priced = generation in ("G0", "G1")
        self.is_split = generation in ("G1", "G4") or generation.startswith("G5")
        self.has_ids = generation == "G4" or generation.startswith("G5")

    def grow(self, depth: int) -> Tree:
        for _ in range(self.rng.randrange(5)):
            node, bill = self.node(depth)
            self.tree.nodes.append(node)
            self.tree.total += bill
        return self.tree

    def node(self, depth: int) -> tuple[dict, Decimal]:
        makers = [self.silent, self.chat, self.chat, self.dataset, self.tool]
        if depth > 0 and self.tree.generation in ("G3", "G4"):
            makers += [self.classic, self.classic, self.flat_fee, self.classic_tools]
        if depth > 0 and self.tree.generation == "G5-inclusive":
            makers += [self.container, self.container, self.inclusive_tools]
        if depth > 0 and self.tree.generation == "G5-exclusive":
            makers += [self.bare_container, self.exclusive_tools, self.agent_tool]
        return self.rng.choice(makers)(depth - 1)

    def base(self, kind: str) -> dict:
        self.tree.node_count += 1
        node: dict = {"moduleType": kind, "moduleName": kind}
        if self.has_ids:
            node["id"] = f"{self.rng.getrandbits(80):020x}{self.tree.node_count}"
            node["nodeId"] = f"n{self.rng.randrange(9)}"
        if self.tree.generation != "G0":
            node["runningTime"] = self.rng.randrange(900) / 100
        return node

    def money(self) -> float | int:
        if self.is_priced:
            return self.rng.choice([0, self.rng.randrange(5000), self.fraction() * 3000])
        return self.rng.choice([0, self.rng.randrange(9), self.fraction() * 9, 1.23e-8])

    def fraction(self) -> float:
        return self.rng.randrange(10**8) / 10**8

    def bill(self, node: dict, figure: float) -> Decimal:
        node["price" if self.is_priced else "totalPoints"] = figure
        return _exact(figure)

    def use(self, model: str, tokens_in: int, tokens_out: int | None) -> None:
        self.tree.input_tokens[model] += tokens_in
        if tokens_out is not None:
            self.tree.output_tokens[model] += tokens_out

    def silent(self, _depth: int) -> tuple[dict, Decimal]:
        return self.base(self.rng.choice(SILENT_KINDS)), Decimal(0)

    def chat(self, _depth: int) -> tuple[dict, Decimal]:
        node = self.base(self.rng.choice(["chatNode", "classifyQuestion", "contentExtract"]))
        node["model"] = self.rng.choice(MODELS)
        tokens_in, tokens_out = self.rng.randrange(9000), self.rng.randrange(900)
        if self.is_split:
            node |= {"inputTokens": tokens_in, "outputTokens": tokens_out}
            self.use(node["model"], tokens_in, tokens_out)
        elif self.tree.generation == "G2":
            node["charsLength"] = tokens_in
        else:
            node["tokens"] = tokens_in + tokens_out
        node["historyPreview"] = [{"obj": "Human", "value": '{["totalPoints": 9]}'}]
        return node, self.bill(node, self.money())

    def dataset(self, _depth: int) -> tuple[dict, Decimal]:
        node = self.base("datasetSearchNode")
        node["quoteList"] = [{"q": "x" * self.rng.randrange(50), "totalPoints": 7}]
        if not (self.is_split and not self.is_priced):
            node |= {"model": "Embedding-2", "tokens" if self.is_priced else "charsLength": 7}
            return node, self.bill(node, self.money())
        tokens = self.rng.randrange(500)
        node |= {"embeddingModel": "bge-m3", "embeddingTokens": tokens}
        self.use("bge-m3", tokens, None)
        if self.rng.random() < 0.5:
            node |= {"rerankModel": "bge-reranker", "reRankInputTokens": tokens}
            self.use("bge-reranker", tokens, None)
        if self.rng.random() < 0.5:
            node["queryExtensionResult"] = {
                "model": "qwen-max",
                "inputTokens": tokens,
                "outputTokens": 3,
            }
            self.use("qwen-max", tokens, 3)
        return node, self.bill(node, self.money())

    def tool(self, _depth: int) -> tuple[dict, Decimal]:
        node = self.base("tool")
        if self.rng.random() < 0.5:
            return node, Decimal(0)
        return node, self.bill(node, self.rng.choice([0, 0.3, 1]))

    def children(self, depth: int) -> tuple[list[dict], list[Decimal]]:
        grown = [self.node(depth) for _ in range(self.rng.randrange(4))]
        return [node for node, _ in grown], [bill for _, bill in grown]

    def classic(self, depth: int) -> tuple[dict, Decimal]:
        kind, name = self.rng.choice(
            [
                ("pluginModule", "pluginDetail"),
                ("appModule", "pluginDetail"),
                ("loop", "loopDetail"),
            ]
        )
        node = self.base(kind)
        node[name], bills = self.children(depth)
        if self.rng.random() < 0.2:
            node["totalPoints"] = None  # NaN in FastGPT
            return node, sum(bills, Decimal(0))
        return node, self.bill(node, _added(bills))

    def flat_fee(self, depth: int) -> tuple[dict, Decimal]:
        node = self.base("pluginModule")
        node["pluginDetail"], _ = self.children(depth)
        return node, self.bill(node, self.rng.choice([0, 0.5, 2, 100]))

    def classic_tools(self, depth: int) -> tuple[dict, Decimal]:
        node = self._tools("toolCallInputTokens", "toolCallOutputTokens")
        node["toolDetail"], bills = self.children(depth)
        node["childTotalPoints"] = _added(bills)
        return node, self.bill(node, self.money() + node["childTotalPoints"])

    def container(self, depth: int) -> tuple[dict, Decimal]:
        node = self.base(self.rng.choice(["appModule", "pluginModule", "parallelRun", "loopRun"]))
        node["childrenResponses"], bills = self.children(depth)
        return node, self.bill(node, _added(bills))

    def inclusive_tools(self, depth: int) -> tuple[dict, Decimal]:
        node = self._tools("toolCallInputTokens", "toolCallOutputTokens")
        node["childrenResponses"], bills = self.children(depth)
        node["childTotalPoints"] = _added(bills)
        if not node["childTotalPoints"]:
            return node, self.bill(node, self.money()) + sum(bills, Decimal(0))
        return node, self.bill(node, self.money() + node["childTotalPoints"])

    def bare_container(self, depth: int) -> tuple[dict, Decimal]:
        node = self.base(self.rng.choice(["appModule", "loopRun", "parallelRun"]))
        node["childrenResponses"], bills = self.children(depth)
        return node, sum(bills, Decimal(0))

    def exclusive_tools(self, depth: int) -> tuple[dict, Decimal]:
        node = self._tools("inputTokens", "outputTokens")
        node["childrenResponses"], bills = self.children(depth)
        return node, self.bill(node, self.money()) + sum(bills, Decimal(0))

    def agent_tool(self, depth: int) -> tuple[dict, Decimal]:
        node = self.base("tool")
        node["childrenResponses"], bills = self.children(depth)
        return node, self.bill(node, self.rng.choice([0, 0.5])) + sum(bills, Decimal(0))

    def _tools(self, name_in: str, name_out: str) -> dict:
        node = self.base("tools")
        node["model"] = self.rng.choice(MODELS)
        if self.is_split:
            node |= {name_in: 40, name_out: 4}
            self.use(node["model"], 40, 4)
        else:
            node["toolCallTokens"] = 44
        return node


def _added(bills: list[Decimal]) -> float:
    total = 0.0
    for bill in bills:
        total += float(bill)
    return total


def _exact(figure: float) -> Decimal:
    return Decimal(json.dumps(figure))
