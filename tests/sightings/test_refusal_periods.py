"""Counts by the hours and days of a clock that is not UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.sightings.periods import by_code

KOLKATA = ZoneInfo("Asia/Kolkata")  # half an hour off
BERLIN = ZoneInfo("Europe/Berlin")


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_hours_and_days_begin_by_that_clock():
    counts = {
        (utc("2026-11-22T18:15"), "a"): 1,
        (utc("2026-11-22T18:30"), "a"): 2,
        (utc("2026-11-22T19:15"), "a"): 4,
        (utc("2026-11-22T19:15"), "b"): 8,
    }
    days = {at: datetime(2026, 11, at, tzinfo=KOLKATA) for at in (22, 23)}
    assert by_code(counts, step="day", zone=KOLKATA) == {
        (days[22], "a"): 1,
        (days[23], "a"): 6,
        (days[23], "b"): 8,
    }
    assert by_code(counts, step="hour", zone=KOLKATA) == {
        (days[22].replace(hour=23), "a"): 1,
        (days[23], "a"): 6,
        (days[23], "b"): 8,
    }


def test_day_on_which_the_clock_goes_back_is_one_day():
    hours = ["2026-10-24T22:00", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T22:45"]
    counts = {(utc(hour), "a"): 1 for hour in hours}
    assert list(by_code(counts, step="day", zone=BERLIN).values()) == [4]
