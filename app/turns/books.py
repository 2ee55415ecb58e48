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
from app.turns.link_context import PlanContext, Visitor


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
        if not visitor.is_guest:
            self.give_monthly(user_id, visitor.user.plan, periods, now)
        with self._db.read() as session:
            wallet = ledger_store.find_account(session, user_id)
            return Seeds(
                version=0 if wallet is None else wallet.version,
                balance=0 if wallet is None else wallet.balance,
                **_visitor_sums(session, user_id, periods),
                **_link_sums(session, link_id, periods),
                **_guest_sums(session, link_id, periods),
            )

    def give_monthly(
        self, user_id: int, plan: PlanContext, periods: Periods, now: datetime
    ) -> tuple[int, int] | None:
        """Give the plan's credit of the month to who has come and has not had it.

        Not for guests: whoever wants more would be another guest. Returns the wallet's balance
        and version, for the gate; None when nothing was given.
        """
        monthly = _monthly(plan, periods)
        if monthly is None:
            return None
        with self._db.read() as session:
            if not is_due(session, user_id, monthly):
                return None

        def work(session: Session) -> tuple[int, int] | None:
            wallet = writer.lock_wallet(session, user_id, currency=self._currency, now=now)
            posted = give_monthly(session, wallet, monthly, now=now)
            return None if posted is None else (wallet.balance, wallet.version)

        return self._db.run(work)


def _monthly(plan: PlanContext, periods: Periods) -> Monthly | None:
    if not plan.monthly_credit:
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
