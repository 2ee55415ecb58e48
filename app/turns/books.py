"""What the books say of a visitor and a link, read in one snapshot for the gate."""

from sqlalchemy.orm import Session

from app.admission.periods import Periods
from app.admission.question import Seeds
from app.db import Database
from app.ledger import store as ledger_store
from app.metering import store as metering_store


class Books:
    """Loads the sums that admission counts from, when the gate does not hold them."""

    def __init__(self, *, db: Database) -> None:
        self._db = db

    def seeds(self, user_id: int, link_id: int, periods: Periods) -> Seeds:
        """Balance and usage as of one snapshot; only what ``periods.wanted`` names is read.

        Raises:
            DatabaseAway: the database does not answer.
        """
        with self._db.read() as session:
            wallet = ledger_store.find_account(session, user_id)
            return Seeds(
                version=0 if wallet is None else wallet.version,
                balance=0 if wallet is None else wallet.balance,
                **_visitor_sums(session, user_id, periods),
                **_link_sums(session, link_id, periods),
                **_guest_sums(session, link_id, periods),
            )


def _visitor_sums(session: Session, user_id: int, periods: Periods) -> dict[str, int]:
    sums: dict[str, int] = {}
    if periods.wanted & {"day_questions", "day_points"}:
        today = metering_store.user_day(session, user_id, periods.today)
        sums |= {"day_questions": today.questions, "day_points": today.points}
    if "month_points" in periods.wanted:
        first = periods.month_begins_on
        sums["month_points"] = metering_store.user_points_since(session, user_id, first)
    return sums


def _link_sums(session: Session, link_id: int, periods: Periods) -> dict[str, int]:
    sums: dict[str, int] = {}
    if "link_total_points" in periods.wanted:
        sums["link_total_points"] = metering_store.link_points(session, link_id)
    if "link_month_points" in periods.wanted:
        first = periods.month_begins_on
        sums["link_month_points"] = metering_store.link_points_since(session, link_id, first)
    return sums


def _guest_sums(session: Session, link_id: int, periods: Periods) -> dict[str, int]:
    if not periods.wanted & {"guests_day_questions", "guests_day_points"}:
        return {}
    today = metering_store.guests_day(session, link_id, periods.today)
    return {"guests_day_questions": today.questions, "guests_day_points": today.points}
