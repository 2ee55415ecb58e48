"""Months as numbers: they follow each other over the years, by the clock of UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from app.metering.months import month_after, month_bounds, month_of, month_text, months_from


def test_month_is_that_of_utc():
    shanghai = timezone(timedelta(hours=8))
    assert month_of(datetime(2026, 12, 1, 7, 59, tzinfo=shanghai)) == 202611
    assert month_of(datetime(2026, 12, 1, 8, 0, tzinfo=shanghai)) == 202612


@pytest.mark.parametrize(
    ("month", "count", "expected"),
    [(202611, 1, 202612), (202612, 1, 202701), (202601, -1, 202512), (202611, 14, 202801)],
)
def test_months_follow_each_other(month, count, expected):
    assert month_after(month, count) == expected


def test_months_from_one_to_another():
    assert list(months_from(202611, 202702)) == [202611, 202612, 202701, 202702]
    assert list(months_from(202612, 202611)) == []


def test_month_ends_where_the_next_begins():
    begins, ends = month_bounds(202612)
    assert (begins, ends) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert month_text(202612) == "2026-12"
