from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from app.admission.periods import periods_at
from hypothesis import given
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
SHANGHAI = ZoneInfo("Asia/Shanghai")
ST_JOHNS = ZoneInfo("America/St_Johns")
APIA = ZoneInfo("Pacific/Apia")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_day_and_month_follow_the_operators_clock_not_utc():
    periods = periods_at(utc("2026-11-30T16:00"), SHANGHAI)
    assert periods.today == date(2026, 12, 1)
    assert periods.day.starts_at == utc("2026-11-30T16:00")
    assert periods.day.ends_at == utc("2026-12-01T16:00")
    assert periods.month_begins_on == date(2026, 12, 1)
    assert periods.month.starts_at == utc("2026-11-30T16:00")
    assert periods.month.ends_at == utc("2026-12-31T16:00")


@pytest.mark.parametrize(
    ("moment", "starts_at", "hours"),
    [
        ("2026-03-29T12:00", "2026-03-28T23:00", 23),
        ("2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("2026-06-01T12:00", "2026-05-31T22:00", 24),
    ],
)
def test_days_of_clock_changes_are_shorter_and_longer(moment, starts_at, hours):
    day = periods_at(utc(moment), BERLIN).day
    assert day.starts_at == utc(starts_at)
    assert day.ends_at - day.starts_at == timedelta(hours=hours)


def test_day_begins_at_the_change_where_midnight_is_skipped():
    day = periods_at(utc("2018-11-04T03:00"), SAO_PAULO).day
    assert day.starts_at == utc("2018-11-04T03:00")
    assert day.ends_at - day.starts_at == timedelta(hours=23)
    assert periods_at(utc("2018-11-04T02:59"), SAO_PAULO).today == date(2018, 11, 3)


def test_repeated_hour_before_midnight_belongs_to_the_old_day():
    assert periods_at(utc("2018-02-18T02:30"), SAO_PAULO).today == date(2018, 2, 17)
    day = periods_at(utc("2018-02-18T03:00"), SAO_PAULO).day
    assert day.starts_at == utc("2018-02-18T03:00")


def test_clock_set_back_over_midnight_stays_in_the_new_day():
    """At 00:01 clocks went back to 23:01 of the day before."""
    before, after = utc("2010-11-07T02:30"), utc("2010-11-07T02:32")
    for moment in (before, after):
        periods = periods_at(moment, ST_JOHNS)
        assert periods.today == date(2010, 11, 7)
        assert periods.day.holds(moment)


def test_day_that_an_island_skipped_is_nobodys_today():
    assert periods_at(utc("2011-12-30T09:59"), APIA).today == date(2011, 12, 29)
    assert periods_at(utc("2011-12-30T10:00"), APIA).today == date(2011, 12, 31)


@given(
    moment=st.integers(946_684_800, 2_145_916_800).map(lambda s: datetime.fromtimestamp(s, UTC)),
    zone=st.sampled_from([BERLIN, SAO_PAULO, SHANGHAI, ST_JOHNS, APIA]),
)
def test_every_moment_is_in_its_day_and_month_and_the_next_begins_where_they_end(moment, zone):
    periods = periods_at(moment, zone)
    assert periods.day.holds(moment)
    assert periods.month.holds(moment)
    tomorrow = periods_at(periods.day.ends_at, zone)
    assert tomorrow.day.starts_at == periods.day.ends_at
    assert tomorrow.today > periods.today
    assert periods_at(periods.month.ends_at, zone).month.starts_at == periods.month.ends_at
