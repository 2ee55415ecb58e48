"""``shareauth feed``: usage events and postings as JSON Lines, to be followed."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from app.cli.frame import Group, Report
from app.cli.session import Desk, with_desk
from app.feed import follow
from app.feed.cursor import Stream
from app.feed.follow import LIMIT_MAX

LOOK_AGAIN_S = 1.0

feed = Group(
    "feed",
    help="Rows of the books as JSON Lines, in the order of their ids, each with its cursor: who "
    "keeps the last cursor together with the rows and goes on --after it gets each row exactly "
    "once.",
)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option(
            "--after", metavar="CURSOR", help="Go on behind this row. Default: the first."
        ),
        click.option(
            "--limit", type=click.IntRange(1), metavar="N", help="Stop after so many rows."
        ),
        click.option("--follow", "is_following", is_flag=True, help="Wait for new rows, for ever."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@feed.command("usage-events", example='shareauth feed usage-events --after "$CURSOR" --follow')
@_options
@with_desk
def usage_events(desk: Desk, after: str | None, limit: int | None, *, is_following: bool) -> Report:
    """Write answers with their lines."""
    return _written(desk, "usage-events", after, limit, is_following=is_following)


@feed.command("postings", example="shareauth feed postings > postings.jsonl")
@_options
@with_desk
def postings(desk: Desk, after: str | None, limit: int | None, *, is_following: bool) -> Report:
    """Write ledger transactions with their postings."""
    return _written(desk, "postings", after, limit, is_following=is_following)


def _written(
    desk: Desk, stream: Stream, after: str | None, limit: int | None, *, is_following: bool
) -> Report:
    count = 0
    while limit is None or count < limit:
        at_once = LIMIT_MAX if limit is None else min(LIMIT_MAX, limit - count)
        page = follow.page(desk.db, stream, after=after, limit=at_once)
        for item, cursor in zip(page.items, page.cursors, strict=True):
            sys.stdout.write(json.dumps({"cursor": cursor, "item": item}) + "\n")
        sys.stdout.flush()
        count, after = count + len(page.items), page.next
        if not page.has_more:
            if not is_following:
                break
            time.sleep(LOOK_AGAIN_S)
    return Report({"rows": count, "next": after}, [], is_silent=True)
