"""A wallet's statement: each transaction with what was used, at which price, on which link."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.db import Database
from app.ledger import reratings
from app.ledger import store as ledger_store
from app.ledger.models import Transaction
from app.ledger.reratings import Rerating
from app.metering import store as metering_store
from app.money import format_nano
from app.statements import store
from app.statements.shelf import Shelf

LIMIT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer used: nano-points, models in the order they were used, and the pricing.

    ``arithmetic`` is None where it was not asked for.
    ``lines_in`` is the archive that the answer's lines were moved to, its models with them.
    """

    reference: str
    points: int
    models: tuple[str, ...]
    link: str
    app_name: str | None
    chat_id: str | None
    price_version: int | None
    arithmetic: Mapping[str, Any] | None
    lines_in: str | None = None


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One transaction. ``usage`` is None for all but charges; amounts are nano-units.

    ``rerating`` is what an adjustment priced again; None for every other.
    """

    transaction: int
    sequence: int
    kind: str
    at: datetime
    amount: int
    balance_after: int
    reason: str | None
    actor: str
    reverses: int | None
    reversed_by: int | None
    usage: Usage | None = None
    rerating: Rerating | None = None

    def as_json(self) -> dict[str, Any]:
        """With every key always there: amounts as decimal text, zero points for what used none."""
        usage = self.usage
        return {
            "transaction": self.transaction,
            "sequence": self.sequence,
            "kind": self.kind,
            "at": self.at.isoformat(),
            "amount": format_nano(self.amount),
            "balance_after": format_nano(self.balance_after),
            "points": format_nano(usage.points if usage else 0),
            "models": list(usage.models) if usage else [],
            "lines_in": usage.lines_in if usage else None,
            "reason": self.reason,
            "actor": self.actor,
            "reference": usage.reference if usage else None,
            "link": usage.link if usage else None,
            "app_name": usage.app_name if usage else None,
            "chat_id": usage.chat_id if usage else None,
            "price_version": usage.price_version if usage else None,
            "arithmetic": usage and _as_dict(usage.arithmetic),
            "reverses": self.reverses,
            "reversed_by": self.reversed_by,
            "rerating": self.rerating.document() if self.rerating else None,
        }


def _as_dict(arithmetic: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if arithmetic is None else dict(arithmetic)


@dataclass(frozen=True, slots=True)
class Statement:
    """One page, newest first. ``next_before`` asks for the next page; None when this was the last.

    A user without a wallet has an empty statement, a balance of zero and no currency.
    """

    balance: int = 0
    version: int = 0
    currency: str | None = None
    entries: Sequence[StatementEntry] = field(default_factory=tuple)
    next_before: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "balance": format_nano(self.balance),
            "currency": self.currency,
            "entries": [entry.as_json() for entry in self.entries],
            "next_before": self.next_before,
        }


def load_statement(
    db: Database, *, user_id: int, before: int | None = None, limit: int = 100
) -> Statement:
    """A page of the user's transactions whose sequence is below ``before``, in one snapshot."""
    limit = max(1, min(limit, LIMIT_MAX))
    with db.read() as session:
        wallet = ledger_store.find_account(session, user_id)
        if wallet is None:
            return Statement()
        rows = ledger_store.list_transactions(session, wallet.id, before=before, limit=limit + 1)
        page = rows[:limit]
        return Statement(
            balance=wallet.balance,
            version=wallet.version,
            currency=wallet.currency,
            entries=entries_of(session, page),
            next_before=page[-1].sequence if len(rows) > limit else None,
        )


def entries_of(
    session: Session, page: Sequence[Transaction], *, has_arithmetic: bool = True
) -> list[StatementEntry]:
    """These transactions with what was used, in the order they come."""
    charged = [row.event_id for row in page if row.event_id is not None]
    usages = _usages(session, charged, has_arithmetic=has_arithmetic)
    reversals = store.load_reversals(session, [row.id for row in page])
    return [
        StatementEntry(
            transaction=row.id,
            sequence=row.sequence,
            kind=row.kind,
            at=row.posted_at,
            amount=row.amount,
            balance_after=row.balance_after,
            reason=row.reason,
            actor=row.actor,
            reverses=row.reverses_id,
            reversed_by=reversals.get(row.id),
            usage=None if row.event_id is None else usages.get(row.event_id),
            rerating=reratings.find(row.details),
        )
        for row in page
    ]


def _usages(
    session: Session, event_ids: Collection[int], *, has_arithmetic: bool
) -> dict[int, Usage]:
    events = metering_store.load_events(session, event_ids, has_arithmetic=has_arithmetic)
    received = {event.id: event.received_at for event in events.values()}
    models = metering_store.load_models(session, received)
    links = store.load_link_names(session, {event.link_id for event in events.values()})
    # Only where lines are missing: the newest months never ask.
    shelf = Shelf([]) if all(models.values()) else Shelf.load(session)
    return {
        event.id: _usage(
            event,
            models[event.id],
            links.get(event.link_id, ""),
            shelf,
            event.arithmetic if has_arithmetic else None,
        )
        for event in events.values()
    }


def _usage(
    event: Any,  # noqa: ANN401 - a row of ``metering.store.load_events``
    models: Sequence[str],
    link: str,
    shelf: Shelf,
    arithmetic: Mapping[str, Any] | None,
) -> Usage:
    """``models`` are those of the lines: some name none."""
    volume = None if models else shelf.find(event.id, event.received_at)
    return Usage(
        reference=event.reference,
        points=event.points,
        models=tuple(dict.fromkeys(filter(None, models))),
        link=link,
        app_name=event.app_name,
        chat_id=event.chat_id,
        price_version=event.price_version_id,
        arithmetic=arithmetic,
        lines_in=None if volume is None else volume.name,
    )
