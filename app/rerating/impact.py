"""What other prices would have made of a period's answers: looked at before they are published.

Both books price the same usage, before any month's free allowance, so that models, node kinds and
users add up. Long periods are sampled, so that it takes a second however many answers there are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.metering import rows
from app.metering.counting import Usage
from app.metering.rows import LineRow
from app.money import to_nano
from app.pricing import rating
from app.pricing.book import PriceBook
from app.rerating import priced, store
from app.rerating.priced import Event
from app.rerating.store import Owner

SAMPLE_MAX = 4000
"""So many answers are priced at most."""
NAMES_MAX = 200
"""So many models and node kinds are told by name, those that differ most."""
USERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One sum by the old and by the new book; nano-units."""

    name: str
    before: int
    after: int

    @property
    def difference(self) -> int:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class UserChange:
    """The same for one user's answers."""

    owner: Owner
    before: int
    after: int

    @property
    def difference(self) -> int:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Impact:
    """What was found, and of how much of the period. Lists begin with what differs most.

    ``counted`` answers were priced, every ``step``-th of the period's; ``left`` of those looked at
    could not be, by code of ``priced.PROBLEMS``. ``users`` are the most affected of
    ``users_counted``; ``unpriced`` names models that the new book gives away because no rule fits.
    """

    since: datetime
    until: datetime
    step: int
    counted: int
    left: Mapping[str, int]
    before: int
    after: int
    models: tuple[Change, ...]
    node_kinds: tuple[Change, ...]
    users: tuple[UserChange, ...]
    users_counted: int
    unpriced: tuple[str, ...]

    @property
    def difference(self) -> int:
        return self.after - self.before


_Sums = defaultdict[str, list[int]]


def _sums() -> _Sums:
    return defaultdict(lambda: [0, 0])


@dataclass(slots=True)
class _Found:
    counted: int = 0
    left: Counter[str] = field(default_factory=Counter)
    total: list[int] = field(default_factory=lambda: [0, 0])
    models: _Sums = field(default_factory=_sums)
    node_kinds: _Sums = field(default_factory=_sums)
    users: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    unpriced: dict[str, None] = field(default_factory=dict)


def measure(
    session: Session, *, before: PriceBook, after: PriceBook, since: datetime, until: datetime
) -> Impact:
    """Price a period's answers by both books.

    Answers that came from a spool after the period had ended are not among them.

    Raises:
        Invalid: the period is empty (``period_empty``).
    """
    if since >= until:
        raise Invalid("the period ends before it begins", code="period_empty")
    first, end = store.first_event_from(session, since), store.first_event_from(session, until)
    step = max(-(-(end - first) // SAMPLE_MAX), 1)
    found = _Found()
    for page in _pages(range(first, end, step)):
        events = store.load_sampled(session, page, since, until)
        lines = store.load_lines(session, {one.id: one.received_at for one in events})
        for event in events:
            _add(found, event, lines[event.id], before=before, after=after)
    return _impact(session, found, since=since, until=until, step=step)


def _pages(ids: range) -> Iterator[range]:
    for at in range(0, len(ids), store.PAGE_ROWS):
        yield ids[at : at + store.PAGE_ROWS]


def _add(
    found: _Found, event: Event, lines: Sequence[LineRow], *, before: PriceBook, after: PriceBook
) -> None:
    problem = priced.missing(event, lines)
    if problem is not None:
        found.left[problem] += 1
        return
    usage = rows.stored_usage(Decimal(event.arithmetic["points"]), lines)
    try:
        charges = [_charge(event, usage, book) for book in (before, after)]
    except Invalid as error:
        found.left[error.code] += 1
        return
    found.counted += 1
    found.unpriced |= dict.fromkeys(charges[1].unpriced)
    for place, charge in enumerate(charges):
        found.total[place] += charge.total
        found.users[event.user_id][place] += charge.total
        if charge.total and not charge.line_charges:
            found.node_kinds[rows.PER_QUESTION][place] += charge.total
            found.models[""][place] += charge.total
        for line, amount in zip(usage.lines, charge.line_charges, strict=True):
            found.models[line.model][place] += amount
            found.node_kinds[line.node_kind][place] += amount


def _charge(event: Event, usage: Usage, book: PriceBook) -> rating.Charge:
    return rating.rate(
        usage,
        book=book,
        link_multiplier=Decimal(event.arithmetic["link_multiplier"]),
        plan_multiplier=Decimal(event.arithmetic["plan_multiplier"]),
        allowance_used=to_nano(book.monthly_allowance),
    )


def _impact(
    session: Session, found: _Found, *, since: datetime, until: datetime, step: int
) -> Impact:
    affected = sorted(found.users.items(), key=lambda one: -abs(one[1][1] - one[1][0]))
    shown = dict(affected[:USERS_SHOWN])
    owners = store.load_owners(session, list(shown))
    return Impact(
        since=since,
        until=until,
        step=step,
        counted=found.counted,
        left=dict(found.left),
        before=found.total[0],
        after=found.total[1],
        models=_changes(found.models),
        node_kinds=_changes(found.node_kinds),
        users=tuple(UserChange(owners[id_], *sums) for id_, sums in shown.items()),
        users_counted=len(found.users),
        unpriced=tuple(found.unpriced)[: rating.NAMES_MAX],
    )


def _changes(sums: _Sums) -> tuple[Change, ...]:
    changes = [Change(name, *both) for name, both in sums.items()]
    ordered = sorted(changes, key=lambda one: (-abs(one.difference), -one.before, one.name))
    return tuple(ordered[:NAMES_MAX])
