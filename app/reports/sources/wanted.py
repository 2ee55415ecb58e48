"""What is to be added up for a part of a report, and rows that tell it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.reports.query import ATTRIBUTE, Filters, Group, dimensions
from app.reports.spans import Span

LINE_GROUPS = frozenset({"model", "node_kind"})
FEW_USERS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be added up.

    ``buckets`` are the spans of each bucket, or of the whole period. ``questions`` names the
    column that has each answer once in this grouping; None when there is no such column.
    """

    buckets: Sequence[Sequence[Span]]
    by: tuple[Group, ...]
    filters: Filters
    link_ids: frozenset[int] | None
    counted: int
    """The last event that counts, where events themselves are read."""
    questions: str | None
    with_visitors: bool
    is_wide: bool = False
    """It is part of a report by attributes, plans or issuers: the table that has these is taken
    wherever it can be, so that all parts of a report come from one."""
    is_filling: bool = False
    """Only what has been filled in counts: tables that are ahead of it are not read."""
    only: Sequence[tuple[int | str, ...]] | None = None
    """These groups alone."""
    totals_from: int | None = None
    """The quarter from which on there are totals; None: there are none."""
    models_from: int | None = None
    """The same of models by user and by segment."""

    @property
    def dimensions(self) -> set[Group]:
        return dimensions(self.by, self.filters)

    @property
    def is_of_few_users(self) -> bool:
        """Whether it names the users whose rows it is made of: so few that each is looked up."""
        if self.only is not None and "user" in self.by:
            return len(self.only) <= FEW_USERS_MAX
        return self.filters.users is not None and len(self.filters.users) <= FEW_USERS_MAX

    @property
    def joins(self) -> tuple[Group, ...]:
        """The groups that may need another table joined."""
        groups = sorted(self.dimensions)
        return tuple(group for group in groups if group.startswith(ATTRIBUTE) or group == "issuer")


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to add up. ``existing`` tells a group that has any answers.

    ``given`` are the parameters; ``texts`` the groups whose keys are names, not their numbers.
    """

    rows: Any
    bucket: Any
    groups: dict[str, Any]
    measures: dict[str, Any]
    existing: Any
    texts: frozenset[str] = frozenset()
    conditions: tuple[Any, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


def is_wide(group: Group) -> bool:
    """Whether it is kept since costs, segments and times are."""
    return group in {"plan", "issuer"} or group.startswith(ATTRIBUTE)


def attributes_of(groups: Sequence[Group]) -> tuple[str, ...]:
    """The names of the attributes that are among groups."""
    return tuple(group.removeprefix(ATTRIBUTE) for group in groups if group.startswith(ATTRIBUTE))


def questions_column(by: tuple[Group, ...], filters: Filters) -> str | None:
    """The column that has each answer once in every group; None when there is no such."""
    chosen = {"model": filters.models, "node_kind": filters.node_kinds}
    single, several = set[str](), set[str]()
    for name, values in chosen.items():
        if name in by or (values is not None and len(values) <= 1):
            single.add(name)
        elif values is not None:
            several.add(name)
    if several:
        return None
    if single == {"model"}:
        return "model_questions"
    return "kind_questions" if single == {"node_kind"} else "questions"
