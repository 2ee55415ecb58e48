"""What one version of the prices changes against another, for people. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.pricing.book import ModelPrice, PriceBook

_RULE_FIELDS = ("input_per_1k", "output_per_1k", "embedding_per_1k", "rerank_per_1k")
_BOOK_FIELDS = (
    "currency",
    "per_point",
    "per_question",
    "minimum",
    "zero_usage",
    "monthly_allowance",
    "cost_per_point",
)

Kind = Literal["changed", "added", "removed", "order"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One price that is another. ``rule`` is the pattern of a model's rule; None: of the book.

    A rule that is new has a row for each of its prices that is not zero, or one without ``name``
    when all are; likewise one that is gone. ``order`` says that rules stand in another order.
    """

    kind: Kind
    rule: str | None = None
    applies: str | None = None
    name: str | None = None
    before: str | None = None
    after: str | None = None


def compare(before: PriceBook, after: PriceBook) -> list[Difference]:
    """Everything that differs: the book's own prices first, then rules in the new order."""
    old, new = before.document(), after.document()
    found = [
        Difference("changed", name=name, before=_said(old, name), after=_said(new, name))
        for name in _BOOK_FIELDS
        if old.get(name) != new.get(name)
    ]
    old_rules, new_rules = _by_name(before), _by_name(after)
    for key, rule in new_rules.items():
        found += _rule_differences(old_rules.get(key), rule)
    for key, rule in old_rules.items():
        if key not in new_rules:
            found += _rule_differences(rule, None)
    kept = [key for key in old_rules if key in new_rules]
    if kept != [key for key in new_rules if key in old_rules]:
        found.append(Difference("order"))
    return found


def _said(document: Mapping[str, object], name: str) -> str | None:
    """None: nothing is said of it."""
    return str(document[name]) if name in document else None


_Key = tuple[str, str, int]


def _by_name(book: PriceBook) -> Mapping[_Key, ModelPrice]:
    """A pattern may stand twice; then they are told apart by which comes first."""
    seen: Counter[tuple[str, str]] = Counter()
    named: dict[_Key, ModelPrice] = {}
    for rule in book.models:
        name = (rule.pattern, rule.applies)
        named[*name, seen[name]] = rule
        seen[name] += 1
    return named


def _rule_differences(old: ModelPrice | None, new: ModelPrice | None) -> list[Difference]:
    rule = new or old
    if rule is None:
        return []
    kind: Kind = "changed" if old and new else "added" if new else "removed"
    before = old.model_dump(mode="json") if old else {}
    after = new.model_dump(mode="json") if new else {}
    rows = [
        Difference(kind, rule.pattern, rule.applies, name, before.get(name), after.get(name))
        for name in _RULE_FIELDS
        if before.get(name, "0") != after.get(name, "0")
    ]
    if not rows and kind != "changed":
        rows.append(Difference(kind, rule.pattern, rule.applies))
    return rows
