"""Questions that wait for their finish at this moment, as the gate holds them."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, Field

from app.admin.desk import Desk
from app.links import store as link_store
from app.money import from_nano
from app.users import store as user_store

SHOWN_MAX = 200


class OpenQuestionOut(BaseModel):
    """A question that was admitted and waits for its finish."""

    link: str | None
    subject: str | None
    user_id: int
    is_guest: bool
    asked_at: datetime
    expires_at: datetime = Field(description="Without a finish by then it is written down.")
    expected_charge: Decimal


class OpenQuestionsOut(BaseModel):
    """What the gate holds now."""

    count: int | None = Field(description="Null while Redis is away.")
    items: list[OpenQuestionOut] = Field(description="At most 200, those that expire last first.")


def show(desk: Desk) -> OpenQuestionsOut:
    """Those that wait for their finish now; but for chat software's, of which none is expected."""
    found = desk.gate.open_questions(SHOWN_MAX)
    if found is None:
        return OpenQuestionsOut(count=None, items=[])
    with desk.db.read() as session:
        links = link_store.names(session, {one.link_id for one in found.tickets})
        users = user_store.load_by_ids(session, {one.user_id for one in found.tickets})
    return OpenQuestionsOut(
        count=found.count,
        items=[
            OpenQuestionOut(
                link=links.get(one.link_id),
                subject=users[one.user_id].subject if one.user_id in users else None,
                user_id=one.user_id,
                is_guest=one.is_guest,
                asked_at=one.asked_at,
                expires_at=one.expires_at,
                expected_charge=from_nano(one.hold),
            )
            for one in found.tickets
        ],
    )
