"""Words of the usage pages: groups, measures, periods, steps of a charge, warnings."""

from app.pagekit.languages import lazy_gettext as _
from app.reports.query import ATTRIBUTE

GROUPS = {
    "user": _("User"),
    "link": _("Link"),
    "app": _("App"),
    "model": _("Model"),
    "node_kind": _("Node kind"),
    "issuer": _("Issuer"),
    "plan": _("Plan"),
}
SEEN_GROUPS = {"link": _("Link"), "hook": _("Hook"), "rule": _("Rule")}
MEASURES = {
    "charge": _("Charge"),
    "questions": _("Questions"),
    "points": _("Points"),
    "input_tokens": _("Input tokens"),
    "output_tokens": _("Output tokens"),
    "embedding_tokens": _("Embedding tokens"),
    "rerank_tokens": _("Rerank tokens"),
    "cost": _("Cost"),
}
COLUMNS = {
    "questions": _("Questions"),
    "visitors": _("Visitors"),
    "points": _("Points"),
    "charge": _("Charge"),
    "corrections": _("Corrections"),
    "net": _("Net"),
    "cost": _("Cost"),
    "margin": _("Margin"),
    "margin_percent": _("Margin %"),
    "median_ms": _("Median, ms"),
    "p95_ms": _("95 % within, ms"),
    "untimed": _("Without a time"),
    "refusals": _("Refusals"),
    "unfinished": _("Unfinished"),
    "input_tokens": _("Input tokens"),
    "output_tokens": _("Output tokens"),
    "embedding_tokens": _("Embedding tokens"),
    "rerank_tokens": _("Rerank tokens"),
}
DECIMALS = {"points": 9, "charge": 9, "corrections": 9, "net": 9, "cost": 9, "margin": 9} | {
    "margin_percent": 2
}
"""Of the columns that are no counts."""
PERIODS = {
    "today": _("Today"),
    "yesterday": _("Yesterday"),
    "7d": _("Last 7 days"),
    "30d": _("Last 30 days"),
    "90d": _("Last 90 days"),
    "month": _("This month"),
    "last_month": _("Last month"),
    "custom": _("From and before"),
}
UNITS = {"hour": _("Hour"), "day": _("Day"), "week": _("Week"), "month": _("Month")}
STEPS = {
    "points": _("Points at the price of a point"),
    "tokens": _("Tokens at the price of the model"),
    "per_question": _("Price of a question"),
    "multiplied": _("Their sum, times the multipliers of link and plan"),
    "minimum": _("At least this much for a question"),
    "allowance": _("Paid by the monthly allowance"),
    "charge": _("Charged"),
}
MOVEMENTS = {
    "charge": _("Charge"),
    "top_up": _("Top-up"),
    "redemption": _("Redeemed code"),
    "grant": _("Granted credit"),
    "expiry": _("Expired credit"),
    "refund": _("Refund"),
    "adjustment": _("Adjustment"),
    "reversal": _("Reversal"),
}
BILLED_BY = {
    "token": _("a valid token"),
    "session": _("the visitor's session"),
    "signature": _("an expired token with a good signature"),
}
EXPORTS = {
    "events": (_("Usage events"), _("Every answer: who, where, points, charge, tokens.")),
    "lines": (_("Usage lines"), _("What each node of each answer used, with its model.")),
    "postings": (_("Ledger postings"), _("Both sides of every transaction.")),
    "statements": (
        _("Statements"),
        _("For each wallet: what it had, what moved it by kind, what it has then."),
    ),
    "refusals": (_("Refusals"), _("Who was refused, when, and why.")),
    "audit": (_("Audit journal"), _("Who changed what, with before and after.")),
}
FORMATS = {
    "csv": (_("CSV"), _("For spreadsheets and databases.")),
    "xlsx": (_("Excel"), _("Typed cells, totals, a sheet that says what it is.")),
    "jsonl": (_("JSON Lines"), _("For programs: one object a line.")),
    "parquet": (_("Parquet"), _("For data tools: decimals as decimals.")),
    "focus": (_("FOCUS"), _("For FinOps tools: usage only.")),
    "cloudevents": (_("CloudEvents"), _("For meters such as OpenMeter, Lago, Stripe.")),
}
"""Of exports."""
_FIGURE = _("A figure could not be believed and counts as missing.")
_NODES = _("A part of the answer was not what FastGPT sends, or too much; it was left out.")
_TEXT = _("A text was missing, mended or shortened before it was stored.")
_BODY = _("The report was repaired before it could be read.")
_REGIME = _("The way of counting set for the link went against the shape of a node.")
WARNINGS = {
    "total_absurd": _("The sum was not believed: nothing is counted."),
    "price_beside_points": _("It had points and prices: the points count."),
    "inclusion_guessed": _(
        "Nothing said whether a node includes what its children cost. It was guessed: compare with "
        "the bill of FastGPT, and set the counting of the link."
    ),
    "classic_children_added": _REGIME,
    "children_left_out": _REGIME,
    "unknown_node_kind": _("A kind of node not met before; counted by the general rule."),
    "node_kind_missing": _("A node did not say its kind; counted by the general rule."),
    "unknown_field": _("A figure named like money or tokens that is not known; it is not counted."),
    "tokens_fractional": _("A number of tokens was rounded."),
}
_BEGINNINGS = {
    "node": _NODES,
    "nodes": _NODES,
    "children": _NODES,
    "response": _NODES,
    "text": _TEXT,
    "token": _TEXT,
    "question": _TEXT,
    "body": _BODY,
}


def group_name(group: str) -> object:
    """What a group is called; attributes by their own names."""
    return GROUPS.get(group) or group.removeprefix(ATTRIBUTE)


def warning_means(code: str) -> str:
    """What a warning of an event means; ``code`` may have a detail: ``code:detail``."""
    name = code.partition(":")[0]
    return WARNINGS.get(name) or _BEGINNINGS.get(name.partition("_")[0], _FIGURE)
