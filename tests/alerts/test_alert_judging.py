"""When a number is worth an alert, how long quiet lasts, when a failed message is sent again."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from app.alerts import backoff, judging
from app.alerts.judging import Counted
from app.alerts.quiet import QuietHours

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
FIVE = Decimal(5)


@pytest.mark.parametrize(
    ("used", "limit", "level"),
    [(0, 100, 0), (79, 100, 0), (80, 100, 80), (99, 100, 80), (100, 100, 100), (250, 100, 100),
     (0, 0, 100)],
)  # fmt: skip
def test_highest_percentage_reached_counts(used, limit, level):
    assert judging.level_reached(used, limit, (80, 100)) == level


def test_lowest_limit_counts_and_lifted_ones_do_not():
    limits = [Decimal(-1), Decimal(7), Decimal("3.5")]
    assert judging.points_limit(limits) == 3_500_000_000
    assert judging.points_limit([Decimal(-1)]) is None


def test_usual_spending_is_the_median_and_its_spread():
    # Median 100, distances 0 2 2 4 10: their median 2, scaled 2.97, but a tenth of 100 is more.
    assert judging.spend_limit([100, 98, 102, 104, 90], deviations=FIVE, floor=0) == 150
    # Distances 0 40 40 60 80: 40 * 1.4826 * 5 above the median.
    assert judging.spend_limit([100, 60, 140, 160, 20], deviations=FIVE, floor=0) == 396


def test_one_mad_day_of_the_past_hides_no_other():
    calm = judging.spend_limit([100, 110, 90, 105, 95], deviations=FIVE, floor=0)
    assert judging.spend_limit([100, 110, 90, 105, 10**6], deviations=FIVE, floor=0) < calm * 2


def test_little_spent_is_never_unusual():
    assert judging.spend_limit([0, 0, 0, 0], deviations=FIVE, floor=77) == 77


def test_refusals_spike_against_what_came_before():
    before = Counted({"a": 240, "b": 24}, Decimal(24))
    lately = Counted({"a": 60, "b": 31, "c": 30, "d": 29}, Decimal("1.5"))
    found = judging.spikes(lately, before, count_min=30, factor=Decimal(3))
    # Of a, 15 are usual in an hour and a half: 60 are four times that. d are too few.
    assert found == {"a": (60, 15), "b": (31, 1), "c": (30, 0)}
    usual = Counted({"a": 45}, Decimal("1.5"))
    assert judging.spikes(usual, before, count_min=30, factor=Decimal(3)) == {}


def _at(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


NIGHT = (time(22), time(8))
NOON = (time(12), time(14))


@pytest.mark.parametrize(
    ("hours", "zone", "at", "release"),
    [
        (NIGHT, SHANGHAI, "2026-11-23T21:59", "2026-11-23T21:59"),
        (NIGHT, SHANGHAI, "2026-11-23T22:00", "2026-11-24T08:00"),
        (NIGHT, SHANGHAI, "2026-11-24T00:00", "2026-11-24T08:00"),
        (NIGHT, SHANGHAI, "2026-11-24T07:59", "2026-11-24T08:00"),
        (NIGHT, SHANGHAI, "2026-11-24T08:00", "2026-11-24T08:00"),
        (NIGHT, SHANGHAI, "2026-12-31T23:30", "2027-01-01T08:00"),
        (NOON, SHANGHAI, "2026-11-23T13:00", "2026-11-23T14:00"),
        (NOON, SHANGHAI, "2026-11-23T23:00", "2026-11-23T23:00"),
        # A night with 23 hours and one with 25: eight o'clock is eight o'clock.
        (NIGHT, BERLIN, "2026-03-28T23:00", "2026-03-29T08:00"),
        (NIGHT, BERLIN, "2026-10-24T23:00", "2026-10-25T08:00"),
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_zone(hours, zone, at, release):
    quiet = QuietHours(*hours, zone)
    assert quiet.release(_at(at, zone)) == _at(release, zone)


def test_quiet_ends_also_where_clocks_skip_or_repeat_its_end():
    quiet = QuietHours(time(22), time(2, 30), BERLIN)
    # On 29 March there is no half past two: it is half past one UTC, half past three there.
    assert quiet.release(_at("2026-03-29T01:00", BERLIN)) == datetime(
        2026, 3, 29, 1, 30, tzinfo=UTC
    )
    # On 25 October there are two: the first at 00:30 UTC, the second at 01:30 UTC.
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert quiet.release(_at("2026-10-25T01:00", BERLIN)) == first
    between = first + timedelta(minutes=40)  # ten past two for the second time
    assert quiet.release(between) == first + timedelta(hours=1)


def test_failed_message_is_tried_for_about_a_day():
    waits = [backoff.wait_after(n, chance=0.5) for n in range(1, backoff.ATTEMPTS_MAX)]
    assert waits[0] == timedelta(seconds=30)
    assert waits == sorted(waits)
    assert timedelta(hours=20) < sum(waits, timedelta()) < timedelta(hours=28)
    assert backoff.wait_after(backoff.ATTEMPTS_MAX, chance=0.5) is None


def test_waits_differ_by_chance_and_heed_the_other_side():
    first = [backoff.wait_after(1, chance=chance).total_seconds() for chance in (0, 1)]
    assert first == [24, 36]
    assert backoff.wait_after(1, chance=0, at_least_s=600) == timedelta(minutes=10)
    assert backoff.wait_after(1, chance=0, at_least_s=10**9) == timedelta(hours=4)
