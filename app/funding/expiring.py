"""What is done to grants by the clock: they expire, and plans give their monthly credit.

Each call does a bounded part of it, a few wallets in one transaction, so that finishes wait for
none of it for long. Called again it goes on; killed in between it has done whole wallets or none,
and the ledger's keys keep anything from being done twice.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.db import Database
from app.ledger import writer
from app.ledger.credit import store
from app.ledger.credit.monthly import Monthly, give_monthly
from app.ledger.credit.writer import Closed, close, load, save
from app.ledger.models import Account

ACTOR = "expiry"
"""Who takes expired credit away, in the books."""
WALLETS_AT_ONCE = 25
PAGE_USERS = 500

Renewals = Callable[[Session, Collection[int]], Mapping[int, Monthly]]
"""What each of these users is given this month by their plan; users with nothing are absent."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A wallet as it stands now, for the gate; ``lapsed`` is what expired, in nano-units."""

    user_id: int
    balance: int
    version: int
    lapsed: int = 0
    given: int = 0


def expire(
    db: Database, *, currency: str, renewals: Renewals, now: datetime, batches: int
) -> Iterator[Moved]:
    """End the grants that are over; at most so many times ``WALLETS_AT_ONCE`` wallets.

    Whoever spent of a plan's credit that ends is given the new month's in the same transaction:
    at the turn of a month nobody who is asking is without.
    """
    for _ in range(batches):
        with db.read() as session:
            user_ids = store.wallets_with_expired(session, now, limit=WALLETS_AT_ONCE)
        if not user_ids:
            return

        def work(session: Session, user_ids: Collection[int] = tuple(user_ids)) -> list[Moved]:
            wallets = writer.lock_wallets(session, user_ids, currency=currency, now=now)
            closed = {user_id: _expire(session, wallet, now) for user_id, wallet in wallets.items()}
            due = [user_id for user_id, of in closed.items() if any(map(_is_renewed, of))]
            given = _renew(session, wallets, renewals(session, due) if due else {}, now)
            return [
                _moved(wallet, sum(one.lapsed for one in closed[user_id]), given.get(user_id, 0))
                for user_id, wallet in wallets.items()
            ]

        yield from db.run(work)


def give_due(
    db: Database, *, currency: str, renewals: Renewals, since: datetime, now: datetime
) -> Iterator[Moved]:
    """Give the month's credit to whom something was posted since and who has not had it.

    The others are given it when they come: see ``turns.books``.
    """
    last = 0
    while True:
        with db.read() as session:
            page = store.users_moved_since(session, since, after=last, limit=PAGE_USERS)
            due = renewals(session, page) if page else {}
            months = {monthly.month for monthly in due.values()}
            had = {pair for month in months for pair in store.had_monthly(session, month, due)}
        if not page:
            return
        last = page[-1]
        wanted = [user for user, monthly in due.items() if (user, monthly.plan_id) not in had]
        for start in range(0, len(wanted), WALLETS_AT_ONCE):
            chosen = {user: due[user] for user in wanted[start : start + WALLETS_AT_ONCE]}

            def work(session: Session, chosen: Mapping[int, Monthly] = chosen) -> list[Moved]:
                wallets = writer.lock_wallets(session, chosen, currency=currency, now=now)
                given = _renew(session, wallets, chosen, now)
                return [_moved(wallets[user], 0, amount) for user, amount in given.items()]

            yield from db.run(work)


def catch_up(db: Database, *, currency: str, now: datetime, batches: int) -> int:
    """Note what is left of grants in wallets that went on since; how many wallets that was."""
    count = 0
    for _ in range(batches):
        with db.read() as session:
            user_ids = store.wallets_behind(session, limit=WALLETS_AT_ONCE)
        if not user_ids:
            break

        def work(session: Session, user_ids: Collection[int] = tuple(user_ids)) -> None:
            wallets = writer.lock_wallets(session, user_ids, currency=currency, now=now)
            for wallet in wallets.values():
                if (credit := load(session, wallet)) is not None:
                    save(session, wallet, credit)

        db.run(work)
        count += len(user_ids)
    return count


def _expire(session: Session, wallet: Account, now: datetime) -> list[Closed]:
    over = [
        row.sequence
        for row in store.list_open(session, wallet.id)
        if row.expires_at is not None and row.expires_at <= now
    ]
    return close(session, wallet, over, "expired", actor=ACTOR, now=now)


def _is_renewed(closed: Closed) -> bool:
    return closed.grant.source == "plan" and closed.lapsed < closed.grant.amount


def _renew(
    session: Session, wallets: Mapping[int, Account], due: Mapping[int, Monthly], now: datetime
) -> dict[int, int]:
    given = {}
    for user_id, monthly in due.items():
        posted = give_monthly(session, wallets[user_id], monthly, now=now)
        if posted is not None and not posted.is_replay:
            given[user_id] = monthly.amount
    return given


def _moved(wallet: Account, lapsed: int, given: int) -> Moved:
    return Moved(wallet.user_id or 0, wallet.balance, wallet.version, lapsed, given)
