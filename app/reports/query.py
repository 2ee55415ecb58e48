"""What is asked of a report, and what it answers. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from app.errors import Invalid
from app.reports.spans import Unit

Group = str
"""One of ``GROUPS``, or ``attribute:`` with the name of a user's attribute that is followed."""
GROUPS: tuple[Group, ...] = ("user", "link", "app", "model", "node_kind", "issuer", "plan")
ATTRIBUTE = "attribute:"
ATTRIBUTE_NAME = re.compile(r'[^\s"\\=:,\x00-\x1f\x7f]{1,40}')
Measure = Literal[
    "questions",
    "points",
    "charge",
    "input_tokens",
    "output_tokens",
    "embedding_tokens",
    "rerank_tokens",
    "cost",
]
MEASURES: tuple[Measure, ...] = (
    "questions",
    "points",
    "charge",
    "input_tokens",
    "output_tokens",
    "embedding_tokens",
    "rerank_tokens",
    "cost",
)
SUMS = (*MEASURES, "costed_points")
"""What is added up; ``costed_points`` are those whose cost is known."""
Basis = Literal["posted", "used"]
LIMIT_MAX = 10_000
_HUNDREDTH = Decimal("0.01")
NAME_CHARS_MAX = 120
"""What is longer of the name of an app, model or node kind is cut."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Only these; None takes all, and the empty set takes none."""

    users: frozenset[int] | None = None
    links: frozenset[int] | None = None
    apps: frozenset[str] | None = None
    models: frozenset[str] | None = None
    node_kinds: frozenset[str] | None = None
    issuers: frozenset[int] | None = None
    plans: frozenset[int] | None = None
    attributes: tuple[tuple[str, frozenset[str]], ...] = ()
    """Names of attributes with the values that are taken; the empty value is none, or unknown."""

    def named(self) -> dict[Group, frozenset[Any] | None]:
        """What is chosen of each group."""
        chosen: dict[Group, frozenset[Any] | None] = {
            "user": self.users,
            "link": self.links,
            "app": self.apps,
            "model": self.models,
            "node_kind": self.node_kinds,
            "issuer": self.issuers,
            "plan": self.plans,
        }
        return chosen | {f"{ATTRIBUTE}{name}": values for name, values in self.attributes}


@dataclass(frozen=True, slots=True)
class Query:
    """A report on the time from ``since`` up to ``until``, widened to whole quarters of an hour.

    ``per`` cuts it by the clock of ``zone``. Of each group in ``by`` there is a row, or one for
    each bucket it has anything in; the groups are those with the most of ``sort``, ``limit`` at
    most, and what is left is in the others. ``link_ids`` are those the asker may see: None for all.
    """

    since: datetime
    until: datetime
    zone: ZoneInfo
    per: Unit | None = None
    by: tuple[Group, ...] = ()
    filters: Filters = field(default_factory=Filters)
    sort: Measure = "charge"
    limit: int = 100
    with_visitors: bool = False
    """Count who asked, too: the costliest of all."""
    with_times: bool = False
    """How long answers took."""
    seen_since: datetime | None = None
    """Count refusals and questions whose answer was never reported, too; neither is kept from
    before this time."""
    basis: Basis = "posted"
    """Corrections by the time they were posted, or by that of the answer they correct."""
    link_ids: frozenset[int] | None = None

    def check(self) -> None:
        """Raise what is wrong with it.

        Raises:
            Invalid: of the fields, one says what cannot be (``query_invalid``).
        """
        if self.since.tzinfo is None or self.until.tzinfo is None or self.until <= self.since:
            raise Invalid(
                "a period has a beginning and a later end, with offsets", code="query_invalid"
            )
        known = all(group in GROUPS or group.startswith(ATTRIBUTE) for group in self.by)
        if len(set(self.by)) != len(self.by) or not known:
            raise Invalid(
                f"groups are any of {', '.join(GROUPS)} and {ATTRIBUTE}<name>, once",
                code="query_invalid",
            )
        if self.sort not in MEASURES:
            raise Invalid(f"sorted is by one of {', '.join(MEASURES)}", code="query_invalid")
        if not 1 <= self.limit <= LIMIT_MAX:
            raise Invalid(f"a limit is from 1 to {LIMIT_MAX}", code="query_invalid")

    def dimensions(self) -> set[Group]:
        """The groups that its rows and its filters are of."""
        return dimensions(self.by, self.filters)


def dimensions(by: Sequence[Group], filters: Filters) -> set[Group]:
    """The groups that rows by these and filters are of."""
    return {*by, *(name for name, values in filters.named().items() if values is not None)}


def chosen_attributes(texts: Sequence[str]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Filters of attributes from texts such as ``department=Sales``.

    Raises:
        Invalid: one has no sign between name and value (``query_invalid``).
    """
    values: dict[str, set[str]] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not ATTRIBUTE_NAME.fullmatch(name):
            raise Invalid("an attribute is given as in department=Sales", code="query_invalid")
        values.setdefault(name, set()).add(value)
    return tuple((name, frozenset(values[name])) for name in sorted(values))


@dataclass(frozen=True, slots=True)
class Amounts:
    """Nano-points and nano-units charged, and tokens as the lines have them.

    ``questions`` is None where an answer may stand in several of the rows it would be added from,
    ``visitors`` where nobody asked for them or they cannot be told. ``corrections`` is what
    re-ratings, reversals and refunds added to the charges: mostly below zero; None where they
    have no such group. ``cost`` is that of the ``costed_points``; of the others it is not known.
    Times are in milliseconds, at most five per cent off; ``untimed`` answers have none.
    ``refusals`` and ``unfinished`` questions are None where not asked for, or not kept any more.
    """

    questions: int | None = 0
    visitors: int | None = None
    points: int = 0
    charge: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    embedding_tokens: int = 0
    rerank_tokens: int = 0
    cost: int = 0
    costed_points: int = 0
    corrections: int | None = None
    median_ms: int | None = None
    p95_ms: int | None = None
    untimed: int | None = None
    refusals: int | None = None
    unfinished: int | None = None

    @property
    def net(self) -> int:
        """What was charged in the end; without the corrections where these are None."""
        return self.charge + (self.corrections or 0)

    @property
    def known_cost(self) -> int | None:
        """The cost; None where nothing is known of it."""
        return self.cost if self.costed_points or not self.points else None

    @property
    def margin(self) -> int | None:
        """What is left of the net charge, as that is; None where the cost of a point is unknown."""
        return self.net - self.cost if self.costed_points == self.points else None

    @property
    def margin_percent(self) -> Decimal | None:
        """Of the net charge, to a hundredth; None where that is nothing."""
        margin, net = self.margin, self.net
        if margin is None or net <= 0:
            return None
        return (Decimal(100 * margin) / Decimal(net)).quantize(_HUNDREDTH)


@dataclass(frozen=True, slots=True)
class Row:
    """``at`` is when its bucket begins, by the clock asked for; None without ``per``.

    ``keys`` are ids of users, links, issuers and plans, and names of the rest, as in ``Query.by``;
    None is the row of the others. ``labels`` are for people.
    """

    at: datetime | None
    keys: tuple[int | str, ...] | None
    labels: tuple[str, ...]
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Counted:
    """How far a report counts: all events and transactions up to these ids, and no others."""

    event_id: int
    transaction_id: int
    is_behind: bool
    """There are newer ones, which will be counted within seconds."""


@dataclass(frozen=True, slots=True)
class Report:
    """``total`` is of everything that was asked for: the rows with the others.

    Amounts add up to it, but ``questions`` and ``visitors`` that stand in several rows: in the
    total they are counted once.
    """

    query: Query
    since: datetime
    until: datetime
    starts: tuple[datetime, ...]
    """Of all buckets, also the empty ones."""
    rows: tuple[Row, ...]
    total: Amounts
    counted: Counted


def without(total: Mapping[str, int], parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What is left of sums when those of the parts are taken away."""
    return {name: value - sum(part[name] for part in parts) for name, value in total.items()}
