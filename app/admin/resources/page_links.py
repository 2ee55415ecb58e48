"""Links to a user's own page, as the API makes them."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.admin.desk import Desk
from app.turns import page_pass
from app.turns.page_pass import LINK_SECONDS_MAX, LINK_SECONDS_MIN
from app.users import store
from app.users.store import UserNotFound

ID_MAX = 2**63 - 1


class PageLinkSpec(BaseModel):
    """A link to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ttl_s: Annotated[int, Field(ge=LINK_SECONDS_MIN, le=LINK_SECONDS_MAX)] = 86400


class PageLinkOut(BaseModel):
    """Whoever has it is that user on the page: hand it out to them alone."""

    url: str
    expires_at: datetime


def create(desk: Desk, user_id: int, spec: PageLinkSpec) -> PageLinkOut:
    """A link for a user; it lets into wallet and history, which belong to no single link."""
    desk.check_whole_house()
    lasts = timedelta(seconds=spec.ttl_s)
    with desk.db.begin() as session:
        user = store.find_by_id(session, user_id) if user_id <= ID_MAX else None
        if user is None:
            raise UserNotFound("there is no such user")
        signed = page_pass.make_link(
            session, user, lasts=lasts, keys=desk.keys, actor=desk.actor, now=desk.now
        )
    return PageLinkOut(
        url=page_pass.address(desk.settings.public_url, signed), expires_at=desk.now + lasts
    )
