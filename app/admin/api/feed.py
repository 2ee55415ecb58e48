"""``/feed``: usage events and postings for programs that follow them."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import feed
from app.admin.resources.feed import FeedEventPage, FeedQuery, FeedTransactionPage

section = Section("feed", "Feed")


@section.get("/feed/usage-events", permission="usage:read")
def follow_usage_events(desk: Desk, query: FeedQuery) -> FeedEventPage:
    """Follow answers, with their lines, in the order of their ids.

    A row is given when no row with a lower id can appear any more. Keep `next` in the transaction
    that keeps the rows, and ask again with it: each row comes exactly once.
    """
    return feed.events(desk, query)


@section.get("/feed/postings", permission="ledger:read")
def follow_postings(desk: Desk, query: FeedQuery) -> FeedTransactionPage:
    """Follow ledger transactions, with their postings, in the order of their ids.

    As for answers. What corrects an earlier row (re-ratings, refunds, reversals) is a row of its
    own: none ever changes.
    """
    return feed.transactions(desk, query)
