"""The rows of the feeds as JSON: amounts are decimal text, times ISO 8601 in UTC."""

from collections.abc import Sequence
from typing import Any

from app.archives import files
from app.feed.store import EventRow, PostingRow, TransactionRow
from app.ledger import reratings
from app.metering.models import UsageArchive, UsageLine
from app.metering.months import month_of
from app.money import format_nano


def event_row(
    row: EventRow, lines: Sequence[UsageLine], archives: Sequence[UsageArchive]
) -> dict[str, Any]:
    """One answer with its lines.

    ``lines`` is null, and ``lines_archive`` names the file, where they lie in an archive only.
    """
    event = row.event
    archive = None if lines else _archive_of(row, archives)
    return {
        "id": event.id,
        "reference": event.reference,
        "received_at": event.received_at.isoformat(),
        "user_id": event.user_id,
        "uid": row.uid,
        "link_id": event.link_id,
        "link": row.link_name,
        "plan_id": event.plan_id,
        "price_version_id": event.price_version_id,
        "app_name": event.app_name,
        "chat_id": event.chat_id,
        "generation": event.generation,
        "billed_by": event.billed_by,
        "points": format_nano(event.points),
        "charge": format_nano(event.charge),
        "input_tokens": event.input_tokens,
        "output_tokens": event.output_tokens,
        "node_count": event.node_count,
        "running_time_ms": event.running_time_ms,
        "lines": None if archive else [_line(line) for line in lines],
        "lines_archive": archive,
    }


def transaction_row(
    row: TransactionRow, postings: Sequence[PostingRow], reference: str | None
) -> dict[str, Any]:
    """One transaction with its postings.

    ``event_reference`` is the answer that it charges; ``corrects`` the one whose charge a
    re-rating changes.
    """
    one = row.transaction
    rerating = reratings.find(one.details)
    return {
        "id": one.id,
        "posted_at": one.posted_at.isoformat(),
        "user_id": row.user_id,
        "sequence": one.sequence,
        "kind": one.kind,
        "amount": format_nano(one.amount),
        "balance_after": format_nano(one.balance_after),
        "currency": row.currency,
        "event_id": one.event_id,
        "event_reference": reference,
        "reverses_id": one.reverses_id,
        "corrects": None if rerating is None else rerating.reference,
        "reason": one.reason,
        "actor": one.actor,
        "hash": one.hash,
        "postings": [
            {
                "account": posting.account,
                "account_kind": posting.kind,
                "amount": format_nano(posting.amount),
            }
            for posting in postings
        ],
    }


def _line(line: UsageLine) -> dict[str, Any]:
    return {
        "position": line.position,
        "model": line.model,
        "node_kind": line.node_kind,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "embedding_tokens": line.embedding_tokens,
        "rerank_tokens": line.rerank_tokens,
        "points": format_nano(line.points),
        "charge": format_nano(line.charge),
        "is_covered": line.is_covered,
    }


def _archive_of(row: EventRow, archives: Sequence[UsageArchive]) -> str | None:
    month = month_of(row.event.received_at)
    for archive in archives:
        is_here = archive.after_event < row.event.id <= archive.last_event
        if archive.action == "removed" and archive.received_month == month and is_here:
            return files.name_of(archive.received_month, archive.part)
    return None
