"""Times in buckets: near enough, in order, and the same in Python and in the database."""

from collections import Counter

import sqlalchemy as sa
from app.metering.models import UsageEvent
from app.reports.named.store import TIME_BUCKET
from app.reports.times import LONGEST_MS, bucket_of, middle_of, quantile
from hypothesis import given
from hypothesis import strategies as st

from books import make_link, make_users
from reports_builders import Answer, write

EDGES = [edge + more for edge in (10 * 2**k for k in range(26)) for more in (-1, 0, 1)]


@given(st.integers(0, LONGEST_MS) | st.sampled_from(EDGES).filter(lambda ms: ms <= LONGEST_MS))
def test_a_bucket_is_at_most_five_per_cent_off(ms):
    assert abs(middle_of(bucket_of(ms)) - ms) <= ms * 0.05
    assert bucket_of(ms) <= bucket_of(ms + 1) <= bucket_of(ms) + 1


@given(st.lists(st.integers(-5, 10**7), min_size=1, max_size=60), st.sampled_from([1, 50, 95, 100]))
def test_a_quantile_is_that_of_the_nearest_rank(times, percent):
    exact = max(sorted(times)[-(-len(times) * percent // 100) - 1], 0)
    found = quantile(Counter(map(bucket_of, times)), percent)
    assert found is not None
    assert abs(found - exact) <= exact * 0.05
    assert quantile({}, percent) is None


def test_the_database_finds_the_same_bucket(db, now):
    times = [*EDGES, -3, 0, 10**15, 7_777_777]
    with db.begin() as session:
        make_users(session, now)
        make_link(session, now)
    write(db, [Answer(now, 1, 1, lines=[], took_ms=ms) for ms in times])
    with db.read() as session:
        found = session.execute(sa.select(UsageEvent.running_time_ms, TIME_BUCKET))
        assert {row[0]: row[1] for row in found} == {ms: bucket_of(ms) for ms in times}
