"""Rows for tests of the books: users, links and usage events, with as little said as possible."""

from collections.abc import Sequence
from datetime import datetime

from app.links.models import Link
from app.metering.models import UsageEvent, UsageLine
from app.metering.months import month_of
from app.tokens.models import Issuer
from app.users.models import User
from sqlalchemy.orm import Session

NANO = 1_000_000_000


def make_users(session: Session, now: datetime, count: int = 1) -> list[int]:
    """That many users of a new issuer; their ids."""
    issuer = Issuer(name="portal", kind="jwt", origin="database", spec={}, status="active")
    issuer.created_at = now
    session.add(issuer)
    session.flush()
    users = [
        User(
            issuer_id=issuer.id,
            subject=f"person-{number}",
            uid=f"u_{number}",
            attributes={},
            limits={},
            status="active",
            created_at=now,
        )
        for number in range(count)
    ]
    session.add_all(users)
    session.flush()
    return [user.id for user in users]


def make_link(session: Session, now: datetime, name: str = "demo") -> int:
    link = Link(
        name=name,
        status="active",
        messages={},
        allows_guests=False,
        price_multiplier=NANO,
        limits={},
        visitor_limits={},
        guest_limits={},
        counting="auto",
        created_at=now,
    )
    session.add(link)
    session.flush()
    return link.id


def make_event(
    session: Session,
    *,
    key: str,
    user_id: int,
    link_id: int,
    now: datetime,
    charge: int = 0,
    lines: Sequence[tuple[str, int]] = (("GPT-5", 0),),
) -> int:
    """One finish; ``lines`` are models with their points in nano-units. Its id."""
    points = sum(amount for _, amount in lines)
    event = UsageEvent(
        reference=key[:20],
        idempotency_key=key,
        fingerprint=key,
        link_id=link_id,
        user_id=user_id,
        received_at=now,
        generation="G5",
        billed_by="token",
        points=points,
        charge=charge,
        input_tokens=10,
        output_tokens=5,
        node_count=len(lines),
        body_bytes=100,
        warnings={},
        arithmetic={"steps": []},
    )
    session.add(event)
    session.flush()
    for position, (model, amount) in enumerate(lines):
        session.add(
            UsageLine(
                event_id=event.id,
                position=position,
                received_month=month_of(now),
                model=model,
                node_kind="chatNode",
                points=amount,
                charge=charge if position == 0 else 0,
                is_covered=False,
            )
        )
    session.flush()
    return event.id
