"""Node kinds (``moduleType``) that FastGPT is known to send, and those whose totals nest."""

INCLUSIVE_CONTAINERS = frozenset(
    ["app", "appModule", "pluginModule", "loop", "loopRun", "parallelRun", "datasetSearchNode"]
)
"""With ``childrenResponses``: their own figure includes the children when it is large enough."""

TOOL_CALL = "tools"

KNOWN_KINDS = INCLUSIVE_CONTAINERS | {
    TOOL_CALL,
    "agent",
    "answerNode",
    "cfr",
    "chatNode",
    "classifyQuestion",
    "code",
    "comment",
    "contentExtract",
    "customFeedback",
    "datasetConcatNode",
    "emptyNode",
    "formInput",
    "globalVariable",
    "historyNode",
    "httpRequest",
    "httpRequest468",
    "ifElseNode",
    "kbSearchNode",
    "lafModule",
    "loopEnd",
    "loopRunBreak",
    "loopRunStart",
    "loopStart",
    "nestedEnd",
    "nestedStart",
    "pluginConfig",
    "pluginInput",
    "pluginOutput",
    "questionInput",
    "readFiles",
    "stopTool",
    "textEditor",
    "tool",
    "toolParams",
    "toolSet",
    "userGuide",
    "userSelect",
    "variableUpdate",
    "workflowStart",
}
