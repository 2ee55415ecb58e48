"""One user's own answers: page by page, and added up by model."""

from datetime import UTC, datetime, timedelta

from app.metering.answers import store
from app.metering.answers.store import ModelSum, Place

from books import NANO, make_event, make_link, make_users

SINCE = datetime(2026, 10, 31, 16, tzinfo=UTC)  # the first of November in Shanghai
UNTIL = datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_pages_and_sums_are_of_one_user_and_one_month(db):
    with db.begin() as session:
        one, other = make_users(session, SINCE, 2)
        link_id = make_link(session, SINCE)
        known = {"link_id": link_id, "user_id": one}
        before = make_event(session, key="a", now=SINCE - timedelta(seconds=1), **known)
        lines = [("qwen", NANO), ("gpt", NANO), ("gpt", 2 * NANO)]
        first = make_event(session, key="b", now=SINCE, lines=lines, charge=5, **known)
        twin = make_event(session, key="c", now=SINCE, lines=[("gpt", NANO), ("", 0)], **known)
        make_event(session, key="d", now=UNTIL, **known)
        make_event(session, key="e", now=SINCE, link_id=link_id, user_id=other)
    with db.read() as session:
        page = store.list_page(session, one, after=None, limit=2)
        assert [event.id for event in page][1:] == [twin]
        after = Place(page[-1].received_at, page[-1].id)
        rest = store.list_page(session, one, after=after, limit=9)
        assert [event.id for event in rest] == [first, before]
        assert store.sum_by_model(session, one, since=SINCE, until=UNTIL) == [
            ModelSum("qwen", 1, NANO, 5),
            ModelSum("gpt", 2, 4 * NANO, 0),
        ]
        assert not store.exceeds_sum(session, one, since=SINCE, until=UNTIL)


def test_a_sum_is_bounded_and_says_so(db, monkeypatch):
    monkeypatch.setattr(store, "EVENTS_SUMMED_MAX", 2)
    with db.begin() as session:
        (user_id,) = make_users(session, SINCE)
        link_id = make_link(session, SINCE)
        for number in range(3):
            now = SINCE + timedelta(days=number)
            key = f"k{number}"
            make_event(session, key=key, user_id=user_id, link_id=link_id, now=now)
    with db.read() as session:
        assert store.sum_by_model(session, user_id, since=SINCE, until=UNTIL) == [
            ModelSum("GPT-5", 2, 0, 0)
        ]
        assert store.exceeds_sum(session, user_id, since=SINCE, until=UNTIL)
