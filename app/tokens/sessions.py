"""Sessions: a link opened with a token that was valid then."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.errors import ServiceError
from app.tokens import store
from app.tokens.models import VisitorSession
from app.tokens.refusals import TokenWrongLink


def open_session(
    session: Session,
    *,
    token_digest: str,
    link_id: int,
    user_id: int,
    one_time_token_id: int | None,
    max_age: timedelta,
    now: datetime,
) -> VisitorSession:
    """The session of this token on this link, made when there is none.

    Safe when several workers open it at once: all get the one row. ``one_time_token_id`` names a
    minted token that may open a single session; its row is locked, so that it cannot open one on
    each of two links.

    Raises:
        TokenWrongLink: the one-time token has opened its session on another link.
    """
    if one_time_token_id is not None:
        store.lock_token(session, one_time_token_id)
        opened = store.list_sessions(session, token_digest)
        if opened and opened[0].link_id != link_id:
            raise TokenWrongLink("the one-time token has opened its session on another link")
    row = {
        "token_digest": token_digest,
        "link_id": link_id,
        "user_id": user_id,
        "opened_at": now,
        "expires_at": now + max_age,
        "ended_at": None,
    }
    store.insert_session_if_new(session, row)
    found = store.find_session(session, token_digest, link_id)
    if found is None:
        raise ServiceError("a session that was just opened is not there")
    return found
