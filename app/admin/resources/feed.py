"""The feeds of usage events and postings, for programs that keep a copy of the books elsewhere."""

import threading
import time
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.admin.desk import Desk
from app.feed import follow
from app.feed.cursor import CURSOR_CHARS_MAX, Stream
from app.feed.follow import LIMIT_MAX, Page

WAIT_S_MAX = 20
"""Less than proxies commonly allow, and than a stopping service gives its requests."""
LOOK_AGAIN_S = 0.5
WAITING_MAX = 2
"""So many requests of one process may wait for new rows; visitors need the other threads."""

_waiting = threading.BoundedSemaphore(WAITING_MAX)


class FeedQuery(BaseModel):
    """Which rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: (
        Annotated[str, Field(max_length=CURSOR_CHARS_MAX, pattern=r"^[A-Za-z0-9_-]*$")] | None
    ) = Field(default=None, description="`next` of the page before; left out: from the first row.")
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 500
    wait: Annotated[int, Field(ge=0, le=WAIT_S_MAX)] = Field(
        default=0, description="Seconds to wait for a new row when there is none yet."
    )


class FeedLineOut(BaseModel):
    """What one node of an answer used."""

    position: int
    model: str
    node_kind: str
    input_tokens: int | None
    output_tokens: int | None
    embedding_tokens: int | None
    rerank_tokens: int | None
    points: str
    charge: str
    is_covered: bool = Field(description="Its cost stands in another line.")


class FeedEventOut(BaseModel):
    """One answer; amounts are decimal text."""

    id: int
    reference: str
    received_at: datetime
    user_id: int
    uid: str
    link_id: int
    link: str
    plan_id: int | None
    price_version_id: int | None
    app_name: str | None
    chat_id: str | None
    generation: str
    billed_by: str
    points: str
    charge: str
    input_tokens: int | None
    output_tokens: int | None
    node_count: int
    running_time_ms: int | None
    lines: list[FeedLineOut] | None = Field(description="Null: they lie in `lines_archive` only.")
    lines_archive: str | None


class FeedPostingOut(BaseModel):
    """One side of a transaction; all sides add up to zero."""

    account: str
    account_kind: str
    amount: str


class FeedTransactionOut(BaseModel):
    """One ledger transaction of a wallet; amounts are decimal text."""

    id: int
    posted_at: datetime
    user_id: int
    sequence: int
    kind: str
    amount: str = Field(description="The change of the wallet's balance.")
    balance_after: str
    currency: str
    event_id: int | None
    event_reference: str | None = Field(description="The answer that it charges.")
    reverses_id: int | None
    corrects: str | None = Field(description="The answer whose charge a re-rating changes.")
    reason: str | None
    actor: str
    hash: str
    postings: list[FeedPostingOut]


class FeedEventPage(BaseModel):
    """Answers in the order of their ids."""

    items: list[FeedEventOut]
    next: str = Field(description="Pass it as `after`; it is always there.")
    has_more: bool = Field(description="More rows are certain already: ask at once.")


class FeedTransactionPage(BaseModel):
    """Ledger transactions in the order of their ids."""

    items: list[FeedTransactionOut]
    next: str = Field(description="Pass it as `after`; it is always there.")
    has_more: bool = Field(description="More rows are certain already: ask at once.")


def events(desk: Desk, query: FeedQuery) -> FeedEventPage:
    page = _page(desk, "usage-events", query)
    items = [FeedEventOut.model_validate(item) for item in page.items]
    return FeedEventPage(items=items, next=page.next, has_more=page.has_more)


def transactions(desk: Desk, query: FeedQuery) -> FeedTransactionPage:
    page = _page(desk, "postings", query)
    items = [FeedTransactionOut.model_validate(item) for item in page.items]
    return FeedTransactionPage(items=items, next=page.next, has_more=page.has_more)


def _page(desk: Desk, stream: Stream, query: FeedQuery) -> Page:
    desk.check_whole_house()
    until = time.monotonic() + query.wait
    page = follow.page(desk.db, stream, after=query.after, limit=query.limit)
    if page.items or not query.wait or not _waiting.acquire(blocking=False):
        return page
    try:
        while not page.items and time.monotonic() < until:
            time.sleep(LOOK_AGAIN_S)
            page = follow.page(desk.db, stream, after=query.after, limit=query.limit)
    finally:
        _waiting.release()
    return page
