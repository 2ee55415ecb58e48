"""Every shape of answer a FastGPT generation makes, by name.

A recipe returns the nodes of one round, or of two for the interactive ones: the second round goes
on from the first and carries only what came after the pause.
"""

from collections.abc import Callable, Mapping

from app.simulator import nodes, texts
from app.simulator.containers import (
    exclusive,
    flat_fee,
    inclusive,
    tool_call,
    without_total,
)
from app.simulator.nodes import Node, Pen

Nodes = list[Node]
Recipe = Callable[[Pen], tuple[Nodes, ...]]


def _one(make: Callable[[Pen], Nodes]) -> Recipe:
    return lambda pen: (make(pen),)


def _chat(pen: Pen) -> Nodes:
    return [*_opening(pen), nodes.model_call(pen)]


def _dataset_chat(pen: Pen) -> Nodes:
    return [*_opening(pen), nodes.dataset_search(pen), nodes.model_call(pen)]


def _rich_dataset(pen: Pen) -> Nodes:
    return [*_opening(pen), nodes.dataset_search(pen, is_rich=True), nodes.model_call(pen)]


def _big_quotes(pen: Pen) -> Nodes:
    count = pen.rng.randint(30, texts.QUOTES_BIG_MAX)
    search = nodes.dataset_search(pen, quote_count=count)
    return [*_opening(pen), search, nodes.model_call(pen)]


def _own_key(pen: Pen) -> Nodes:
    return [
        *_opening(pen),
        nodes.dataset_search(pen),
        nodes.model_call(pen, has_own_key=True),
        nodes.model_call(pen, "classifyQuestion", has_own_key=True),
    ]


def _unknown_model(pen: Pen) -> Nodes:
    """The model was removed from FastGPT's configuration: no name, no points, real tokens."""
    call = nodes.model_call(pen, has_own_key=True)
    return [*_opening(pen), Node({**call.fields, "model": ""}, 0.0, nodes.ZERO)]


def _workflow(pen: Pen) -> Nodes:
    """Classification, extraction, query extension, branches, and nodes that failed."""
    return [
        *_opening(pen),
        nodes.model_call(pen, "classifyQuestion"),
        nodes.model_call(pen, "contentExtract"),
        nodes.model_call(pen, "cfr"),
        pen.billed(pen.node("ifElseNode", "判断器", ifElseResult="ELSE"), 0.0),
        nodes.http_call(pen),
        nodes.failed(pen, "httpRequest468"),
        nodes.failed(pen),
        nodes.idle(pen, "code", "代码运行", customInputs={"data1": ""}),
        nodes.idle(pen, "answerNode", "指定回复", textOutput="完成"),
    ]


def _tools(pen: Pen) -> Nodes:
    return [*_opening(pen), tool_call(pen, _tool_runs(pen))]


def _tool_runs(pen: Pen) -> Nodes:
    runs = [
        nodes.dataset_search(pen),
        _sub_app(pen),
        nodes.system_tool(pen, 0.3),
        nodes.free_tool(pen),
        nodes.failed(pen, "tool"),
        nodes.idle(pen, "toolParams", "自定义工具变量", toolParamsResult={"sku": "X200"}),
    ]
    return pen.rng.sample(runs, pen.rng.randint(1, len(runs)))


def _sub_app(pen: Pen) -> Node:
    inner = [*_opening(pen), nodes.model_call(pen)]
    if pen.rng.random() < 0.3:  # noqa: PLR2004 - a tool call inside an app inside a tool call
        inner.append(tool_call(pen, [nodes.model_call(pen), nodes.system_tool(pen, 0.1)]))
    under = "childrenResponses" if pen.generation == "G5" else "pluginDetail"
    return inclusive(pen, pen.node("appModule", "子应用"), inner, under=under)


def _plugins(pen: Pen) -> Nodes:
    """A team's own plugin with its detail shown, and a system plugin that shows only its fee."""
    inner = [
        nodes.idle(pen, "pluginInput", "插件输入"),
        nodes.model_call(pen),
        nodes.model_call(pen),
    ]
    own = pen.node("pluginModule", "双语翻译", pluginOutput={"译文": "Good morning"})
    speech = pen.billed(pen.node("pluginModule", "文本转语音", pluginOutput={"ok": 1}), 5)
    return [*_opening(pen), inclusive(pen, own, inner, under="pluginDetail"), speech]


def _flat_fee(pen: Pen) -> Nodes:
    return [*_opening(pen), flat_fee(pen, 2, [nodes.model_call(pen), nodes.model_call(pen)])]


def _loop(pen: Pen) -> Nodes:
    turns = pen.rng.randint(1, 8)
    inner: Nodes = []
    for turn in range(turns):
        inner.append(nodes.idle(pen, "loopStart", "开始", loopInputValue=f"段落 {turn}"))
        inner.append(nodes.model_call(pen))
        inner.append(nodes.idle(pen, "loopEnd", "结束", loopOutputValue=f"摘要 {turn}"))
    fields = pen.node("loop", "批量执行", loopInput=[f"段落 {turn}" for turn in range(turns)])
    return [*_opening(pen), inclusive(pen, fields, inner, under="loopDetail"), *_tail(pen)]


def _lost_totals(pen: Pen) -> Nodes:
    call = nodes.model_call(pen)
    bare = {key: value for key, value in call.fields.items() if key != pen.money}
    under = "childrenResponses" if pen.generation == "G5" else "pluginDetail"
    return [
        Node({**bare, pen.money: None}, 0.0, nodes.ZERO),
        Node({**bare, "id": texts.identifier(pen.rng), "model": None}, 0.0, nodes.ZERO),
        without_total(pen, "appModule", [nodes.model_call(pen)], under=under, is_null=True),
        without_total(pen, "appModule", [nodes.model_call(pen)], under=under, is_null=False),
        Node({"id": texts.identifier(pen.rng)}, 0.0, nodes.ZERO),
    ]


def _interactive(pen: Pen) -> tuple[Nodes, Nodes]:
    """A form or a choice ends the first round; whether that node is listed differs by version."""
    before = [*_opening(pen), nodes.model_call(pen)]
    if pen.rng.random() < 0.5:  # noqa: PLR2004 - a coin
        before.append(nodes.idle(pen, "formInput", "表单输入"))
    return before, [nodes.idle(pen, "formInput", "表单输入"), nodes.model_call(pen)]


def _resumed_loop(pen: Pen) -> tuple[Nodes, Nodes]:
    """2026: the loop that was resumed keeps its node id, so both rounds carry it."""
    shared = pen.node("loopRun", "循环运行", loopRunInput=["p1", "p2"])
    first = exclusive(pen, shared, [_iteration(pen, shared, 1)])
    second = exclusive(pen, shared, [_iteration(pen, shared, 2)])
    return [*_opening(pen), first], [second, nodes.model_call(pen)]


def _loop_run(pen: Pen) -> Nodes:
    """Neither the loop nor its iterations show an amount: only the leaves count."""
    turns = range(1, pen.rng.randint(2, 6))
    history = [{"iteration": turn, "success": True, "totalPoints": 99} for turn in turns]
    fields = pen.node("loopRun", "循环运行", loopRunHistory=history)
    return [*_opening(pen), exclusive(pen, fields, [_iteration(pen, fields, n) for n in turns])]


def _iteration(pen: Pen, loop: texts.Json, number: int) -> Node:
    name = f"{loop['id']}:iter:{number}"
    fields = pen.node("loopRun", "workflow:parallel_task") | {"id": name, "nodeId": name}
    inner = [nodes.idle(pen, "loopRunStart", "开始"), nodes.model_call(pen)]
    return exclusive(pen, fields, inner)


def _parallel_run(pen: Pen) -> Nodes:
    """The run and each of its tasks include all attempts below them."""
    tasks = [
        inclusive(
            pen,
            pen.node("parallelRun", "workflow:parallel_task"),
            [nodes.model_call(pen) for _ in range(pen.rng.randint(1, 3))],
            under="childrenResponses",
        )
        for _ in range(pen.rng.randint(1, 4))
    ]
    history = [{"index": index, "success": True, "data": {}} for index in range(len(tasks))]
    fields = pen.node("parallelRun", "并行执行", parallelRunDetail=history)
    return [*_opening(pen), inclusive(pen, fields, tasks, under="childrenResponses")]


def _agent(pen: Pen) -> Nodes:
    """One row for each model call, no root; a tool row's children are added to it."""
    rows = _opening(pen)
    for turn in range(pen.rng.randint(1, 4)):
        call = nodes.model_call(pen, "agent")
        fields = {**call.fields, "id": f"agentA-{turn}-{texts.identifier(pen.rng, 24)}"}
        used = ("inputTokens", "outputTokens", "totalPoints")
        fields["compressTextAgent"] = {key: call.fields[key] for key in used}
        rows.append(Node(fields, call.bill, call.total))
        tool = pen.node("tool", "读取文件", toolInput={"path": "a.xlsx"}, toolRes="…")
        tool["id"] = f"call_{texts.identifier(pen.rng, 20)}"
        own = pen.rng.choice((0.0, 0.5))
        rows.append(exclusive(pen, tool, [nodes.model_call(pen)], own=own))
    return [*rows, nodes.idle(pen, "agent", "chat:ask_agent", agentPlanStatus="ask_question")]


def _exclusive_tools(pen: Pen) -> Nodes:
    runs = [nodes.model_call(pen), nodes.system_tool(pen, 0.2), nodes.free_tool(pen)]
    return [*_opening(pen), tool_call(pen, runs, is_exclusive=True)]


def _dataset_with_rows(pen: Pen) -> Nodes:
    """The one 2026 node that still includes the rows it puts below itself."""
    search = nodes.dataset_search(pen)
    extension = nodes.model_call(pen, "cfr")
    held = inclusive(pen, search.fields, [extension], under="childrenResponses", own=search.bill)
    return [*_opening(pen), held, nodes.model_call(pen)]


def _empty(_: Pen) -> Nodes:
    return []


def _opening(pen: Pen) -> Nodes:
    return [] if pen.generation in ("G0", "G1", "G2") else [nodes.idle(pen)]


def _tail(pen: Pen) -> Nodes:
    return [nodes.model_call(pen)] if pen.rng.random() < 0.5 else []  # noqa: PLR2004 - a coin


_OLDEST: Mapping[str, Recipe] = {
    "chat": _one(_chat),
    "dataset_chat": _one(_dataset_chat),
    "big_quotes": _one(_big_quotes),
    "empty": _one(_empty),
}
_CLASSIC: Mapping[str, Recipe] = {
    **_OLDEST,
    "rich_dataset": _one(_rich_dataset),
    "own_key": _one(_own_key),
    "unknown_model": _one(_unknown_model),
    "workflow": _one(_workflow),
    "tools": _one(_tools),
    "plugins": _one(_plugins),
    "loop": _one(_loop),
}
_MODERN: Mapping[str, Recipe] = {
    **_CLASSIC,
    "flat_fee": _one(_flat_fee),
    "lost_totals": _one(_lost_totals),
    "interactive": _interactive,
    "no_response_data": _one(_empty),
}

RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "G0": _OLDEST,
    "G1": {**_OLDEST, "own_key": _one(_own_key)},
    "G2": {**_OLDEST, "rich_dataset": _one(_rich_dataset), "own_key": _one(_own_key)},
    "G3": _CLASSIC,
    "G4": _MODERN,
    "G5": {
        **_MODERN,
        "agent": _one(_agent),
        "loop_run": _one(_loop_run),
        "resumed_loop": _resumed_loop,
        "parallel_run": _one(_parallel_run),
        "exclusive_tools": _one(_exclusive_tools),
        "dataset_with_rows": _one(_dataset_with_rows),
    },
}
RARE = frozenset({"big_quotes", "empty", "no_response_data", "lost_totals", "unknown_model"})
"""Shapes that a tenth as many answers have as the others."""


def cut_short(pen: Pen) -> Nodes:
    """The visitor closed the page: what ran until then, its model call cut or not even begun."""
    call = nodes.failed(pen) if pen.rng.random() < 0.3 else nodes.model_call(pen, is_cut=True)  # noqa: PLR2004
    return [*_opening(pen), nodes.dataset_search(pen), call]
