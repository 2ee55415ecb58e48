"""What the books say of a visitor and a link, read in one snapshot for the gate."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.admission.periods import Periods
from app.admission.question import Seeds
from app.db import Database
from app.ledger import store as ledger_store
from app.ledger import writer
from app.ledger.credit.monthly import Monthly, give_monthly, is_due
from app.metering import store as metering_store
from app.turns.link_context import Visitor


class Books:
    """Loads the sums that admission counts from, when the gate does not hold them."""

    def __init__(self, *, db: Database, currency: str) -> None:
        self._db = db
        self._currency = currency

    def seeds(self, visitor: Visitor, periods: Periods, now: datetime) -> Seeds:
        """Balance and usage as of one snapshot; only what ``periods.wanted`` names is read.

        Whoever comes for the first time in a month is given their plan's credit first.

        Raises:
            DatabaseAway: the database does not answer.
        """
        user_id, link_id = visitor.user_id, visitor.link.id
        if (monthly := _monthly(visitor, periods)) is not None:
            self._give(user_id, monthly, now)
        with self._db.read() as session:
            wallet = ledger_store.find_account(session, user_id)
            return Seeds(
                version=0 if wallet is None else wallet.version,
                balance=0 if wallet is None else wallet.balance,
                **_visitor_sums(session, user_id, periods),
                **_link_sums(session, link_id, periods),
                **_guest_sums(session, link_id, periods),
            )

    def _give(self, user_id: int, monthly: Monthly, now: datetime) -> None:
        with self._db.read() as session:
            if not is_due(session, user_id, monthly):
                return

        def work(session: Session) -> None:
            wallet = writer.lock_wallet(session, user_id, currency=self._currency, now=now)
            give_monthly(session, wallet, monthly, now=now)

        self._db.run(work)


def _monthly(visitor: Visitor, periods: Periods) -> Monthly | None:
    """Nobody gives to guests: whoever wants more is another guest."""
    plan = visitor.user.plan
    if not plan.monthly_credit or visitor.is_guest:
        return None
    return Monthly(
        plan_id=plan.id,
        plan_name=plan.name,
        amount=plan.monthly_credit,
        priority=plan.monthly_priority,
        month=f"{periods.month_begins_on:%Y-%m}",
        ends_at=periods.month.ends_at,
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
