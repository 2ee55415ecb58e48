"""Until and including when something is good, by clocks that jump and clocks that do not."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from app.moments import after_day, begins, good_until


@pytest.mark.parametrize(
    "zone", ["UTC", "Asia/Shanghai", "America/Santiago", "Africa/Cairo", "Pacific/Chatham"]
)
def test_every_day_of_some_years_is_read_as_it_was_asked(zone):
    clock = ZoneInfo(zone)
    day = date(2024, 1, 1)
    while day < date(2027, 1, 1):
        assert good_until(after_day(day, clock), clock) == day.isoformat()
        assert begins(day, clock) < after_day(day, clock)
        day += timedelta(days=1)


def test_what_ends_within_a_day_says_when():
    shanghai = ZoneInfo("Asia/Shanghai")
    assert good_until(datetime(2099, 12, 31, 16, tzinfo=UTC), shanghai) == "2099-12-31"
    assert good_until(datetime(2099, 12, 31, 16, tzinfo=UTC), ZoneInfo("UTC")) == "2099-12-31 16:00"
    assert good_until(datetime(2099, 12, 31, 16, 0, 1, tzinfo=UTC), shanghai) == "2100-01-01 00:00"
    assert good_until(datetime(2100, 1, 1, tzinfo=shanghai), shanghai) == "2099-12-31"
