"""Who can be among the users who are charged most, without adding up what all others are.

The thought is that of threshold algorithms (Fagin, Lotem, Naor: Optimal aggregation algorithms for
middleware, 2003). A period is made of days and months, of each of which an index has the users in
the order of their charge. However a sum, ``floor``, is shared out among these: whoever is charged
as much in all is charged, in at least one of them, that one's share. So when as many users as are
wanted are known to be charged ``floor``, all that can be among the first are found by looking at
the heads of those lists alone.

No part of what a user is charged is below zero. So the same users have all groups that can be among
the first where they are taken apart, by model for example; and a day of which only some hours count
can stand in the lists with all of them.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.reports.given import store as given
from app.reports.models import UsageUserTotals
from app.reports.query import Filters
from app.reports.sources import store as sources
from app.reports.sources.wanted import Wanted
from app.reports.spans import Span, around

CANDIDATES_MAX = 2000
"""Of more, in a house in which all ask about as much, adding up everything is quicker."""
_LISTS_TRIED = 3


def candidates(
    session: Session, wanted: Wanted, limit: int, zone: ZoneInfo
) -> frozenset[int] | None:
    """Users who have the groups that are charged most; None where only adding up all tells.

    Users are among the groups, and the period is one bucket. ``zone`` is the clock by which days
    and months are kept: those of a part of the period are looked at whole. Where only some of the
    answers count, those who are charged most may have none of them.
    """
    lists = around(wanted.buckets[0], zone)
    totals = replace(wanted, by=("user",), buckets=(lists,))
    is_filtered = wanted.filters != Filters() or wanted.link_ids is not None
    if is_filtered or not sources.has_user_totals(totals):
        return None
    floor = _floor(session, wanted, lists, limit)
    if floor <= 0:
        return None
    whole = sum(map(_weight, lists))
    least = [(one.width, one.low, -(-floor * _weight(one) // whole)) for one in lists]
    found = _charged_at_least(session, least)
    return None if len(found) > CANDIDATES_MAX else frozenset(found)


def narrowed(wanted: Wanted, user_ids: Collection[int]) -> Wanted:
    """The same of these users."""
    return replace(wanted, filters=replace(wanted.filters, users=frozenset(user_ids)))


def _length(span: Span) -> int:
    return span.high - span.low


def _weight(span: Span) -> int:
    """Its share: more than by its length for a short one, where chance has many far ahead."""
    return math.isqrt(_length(span))


def _floor(session: Session, wanted: Wanted, lists: Sequence[Span], limit: int) -> int:
    """What as many groups as are wanted are charged at least; 0 where that is not known."""
    for one in sorted(lists, key=_length, reverse=True)[:_LISTS_TRIED]:
        heads = _heads(session, one, 2 * limit)
        charges = _charges(session, wanted, heads)
        if len(charges) >= limit:
            return charges[limit - 1]
    return 0


def _heads(session: Session, one: Span, number: int) -> list[int]:
    table = UsageUserTotals
    most = (
        sa.select(table.user_id)
        .where(table.width == one.width, table.start == one.low)
        .order_by(table.charge.desc())
        .limit(number)
    )
    return list(session.scalars(most))


def _charges(session: Session, wanted: Wanted, user_ids: Sequence[int]) -> list[int]:
    """What the groups of these are charged in the whole period, the highest first."""
    of_these = narrowed(wanted, user_ids)
    source = sources.source_of(session, of_these)
    added = (
        sa.select(source.measures["charge"])
        .select_from(source.rows)
        .where(*sources.conditions(of_these, source))
        .group_by(*(source.groups[group] for group in wanted.by))
        .having(source.existing)
    )
    return sorted(map(int, session.scalars(added, source.given)), reverse=True)


def _charged_at_least(session: Session, least: Sequence[tuple[int, int, int]]) -> list[int]:
    table = UsageUserTotals
    given.look_up(session, each_alone=True)
    lists, parameters = given.least(session, least)
    same = (table.width == lists.c.width) & (table.start == lists.c.start)
    found = (
        sa.select(table.user_id)
        .distinct()
        .select_from(lists.join(table, same & (table.charge >= lists.c.least)))
        .limit(CANDIDATES_MAX + 1)
    )
    return list(session.scalars(found, parameters))
