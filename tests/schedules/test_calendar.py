"""When something is due, in any zone: every period once, whatever clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from app.schedules.calendar import EVERY, Cadence, last_until, next_after, period_before
from hypothesis import given
from hypothesis import strategies as st

ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # puts its clock forward by half an hour
    "Pacific/Apia",  # left out 30 December 2011
    "America/Sao_Paulo",  # put its clock forward at midnight
    "Asia/Kathmandu",
]
cadences = st.builds(
    Cadence,
    st.sampled_from(EVERY),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.sampled_from(ZONES).map(ZoneInfo),
    st.integers(0, 6),
    st.integers(1, 28),
)
moments = st.integers(0, 30 * 366 * 86400).map(
    lambda seconds: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(cadences, moments)
def test_following_moments_have_following_periods_without_gap_or_overlap(cadence, start):
    at, periods = start, []
    for _ in range(6):
        following = next_after(cadence, at)
        assert following > at
        assert last_until(cadence, following) == following
        assert last_until(cadence, following - timedelta(seconds=1)) < following
        at = following
        periods.append(period_before(cadence, at))
        assert periods[-1].since < periods[-1].until <= at
    for before, after in pairwise(periods):
        assert before.until == after.since
        assert before.label < after.label


@given(cadences, moments)
def test_it_is_due_by_the_clock_on_the_wall_unless_that_time_was_left_out(cadence, start):
    local = next_after(cadence, start).astimezone(cadence.zone)
    wall = datetime.combine(local.date(), cadence.at, tzinfo=cadence.zone)
    is_there = wall.astimezone(UTC).astimezone(cadence.zone).time() == cadence.at
    if is_there:
        assert local.time().replace(fold=0) == cadence.at
    if cadence.every == "week" and is_there:
        assert local.weekday() == cadence.weekday
    if cadence.every == "month" and is_there:
        assert local.day == cadence.day


@pytest.mark.parametrize(
    ("zone", "at", "day", "utc"),
    [
        ("Europe/Berlin", "02:30", date(2026, 3, 29), "2026-03-29T01:30"),  # 03:30 by the clock
        ("Europe/Berlin", "02:30", date(2026, 10, 25), "2026-10-25T00:30"),  # the first of two
        ("Europe/Berlin", "06:00", date(2026, 7, 1), "2026-07-01T04:00"),
        ("Asia/Shanghai", "06:00", date(2026, 7, 1), "2026-06-30T22:00"),
    ],
)
def test_hours_that_are_left_out_or_come_twice(zone, at, day, utc):
    cadence = Cadence("day", time.fromisoformat(at), ZoneInfo(zone))
    before = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)) - timedelta(minutes=1)
    assert next_after(cadence, before) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_periods_are_called_what_they_are():
    at = datetime(2026, 1, 1, 6, tzinfo=UTC)
    labels = [period_before(Cadence(one, time(6), ZoneInfo("UTC")), at).label for one in EVERY]
    assert labels == ["2025-12-31", "2025-W52", "2025-12"]
    day = period_before(Cadence("day", time(6), ZoneInfo("Europe/Berlin")), datetime(
        2026, 3, 30, 6, tzinfo=UTC))  # fmt: skip
    assert day.until - day.since == timedelta(hours=23)
