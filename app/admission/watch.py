"""What the gate noticed of questions whose finish did not come in time. Pure.

Amounts are nano-units. What is told here is told again until it is acknowledged.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from app.admission.micro import from_micro

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExpiredTicket:
    """A question that was admitted and whose finish had not come when its ticket expired."""

    ticket: str
    user_id: int
    link_id: int
    plan_id: int | None
    is_guest: bool
    asked_at: datetime
    """By the clock of the server that held the ticket, as all times of tickets."""
    expired_at: datetime
    hold: int
    """What it was expected to cost, or all that was left."""
    points_hold: int


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """A question that was admitted and waits for its finish."""

    user_id: int
    link_id: int
    is_guest: bool
    asked_at: datetime
    expires_at: datetime
    """Without a finish by then it is written down as unfinished."""
    hold: int
    """What it is expected to cost, or all that was left."""


@dataclass(frozen=True, slots=True)
class OpenQuestions:
    """How many there are in all, and some of them."""

    count: int
    tickets: tuple[OpenTicket, ...]

    @classmethod
    def of(cls, told: Sequence[Any]) -> Self:
        """Made of the answer of open.lua."""
        count, flat = told
        read = [_ticket(*triple) for triple in _triples(flat) if triple[2]]
        return cls(
            count,
            tuple(
                OpenTicket(
                    user_id=one.user_id,
                    link_id=one.link_id,
                    is_guest=one.is_guest,
                    asked_at=one.asked_at,
                    expires_at=one.expired_at,
                    hold=one.hold,
                )
                for one in read
            ),
        )


@dataclass(frozen=True, slots=True)
class LateFinish:
    """A finish in the books that found no open ticket when the gate was told of it."""

    settle_key: str
    user_id: int
    link_id: int
    received_at: datetime
    """By the clock of the machine that received it."""
    text: str
    """As the gate holds it, to acknowledge it by."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What the gate has to tell, oldest first. ``late`` belong to tickets of this or earlier ones.

    ``lost_tickets`` cannot be read any more; ``dropped_*`` were let go because there were too many.
    """

    tickets: tuple[ExpiredTicket, ...]
    late: tuple[LateFinish, ...]
    lost_tickets: tuple[str, ...]
    dropped_tickets: int
    dropped_late: int

    @classmethod
    def of(cls, told: Sequence[Any]) -> Self:
        """Made of the answer of expired.lua."""
        flat, late, dropped_tickets, dropped_late = told
        triples = _triples(flat)
        return cls(
            tickets=tuple(_ticket(*triple) for triple in triples if triple[2]),
            late=tuple(_late(text) for text in late),
            lost_tickets=tuple(ticket for ticket, _, facts in triples if not facts),
            dropped_tickets=dropped_tickets,
            dropped_late=dropped_late,
        )

    def acknowledgement(self) -> str:
        """The argument of acknowledge.lua."""
        names = [*(ticket.ticket for ticket in self.tickets), *self.lost_tickets]
        return json.dumps(
            {
                "tickets": names,
                "late": [finish.text for finish in self.late],
                "dropped_tickets": self.dropped_tickets,
                "dropped_late": self.dropped_late,
            }
        )

    @property
    def is_empty(self) -> bool:
        return not (
            self.tickets
            or self.late
            or self.lost_tickets
            or self.dropped_tickets
            or self.dropped_late
        )


def _triples(flat: Sequence[Any]) -> list[tuple[Any, Any, Any]]:
    return list(zip(flat[::3], flat[1::3], flat[2::3], strict=True))


def _ticket(ticket: str, expired_us: int, facts: str) -> ExpiredTicket:
    user, link, plan, guest, opened_us, hold, points = map(int, facts.split("|"))
    return ExpiredTicket(
        ticket=ticket,
        user_id=user,
        link_id=link,
        plan_id=plan or None,
        is_guest=bool(guest),
        asked_at=_moment(opened_us),
        expired_at=_moment(expired_us),
        hold=from_micro(hold),
        points_hold=from_micro(points),
    )


def _late(text: str) -> LateFinish:
    settle_key, user, link, received_us = text.rsplit("|", 3)
    return LateFinish(settle_key, int(user), int(link), _moment(int(received_us)), text)


def _moment(epoch_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=epoch_us)
