"""Credit that an operator gives for a time, and takes back: ledger, rows and audit in one.

As in ``changes``: the same idempotency key changes nothing the second time, and ``Funded.balance``
and ``version`` go to the gate afterwards.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.funding.changes import Funded
from app.ledger import writer
from app.ledger.credit import store
from app.ledger.credit.models import Grant
from app.ledger.credit.writer import Closed, Gift, close, entry_of, give, load
from app.ledger.grants import PRIORITY, Terms
from app.ledger.models import Account, Transaction
from app.ledger.transactions import check
from app.money import NANO_MAX, format_nano


class GrantNotFound(NotFound):
    """No grant has this transaction."""

    code = "grant_not_found"


class GrantEnded(Conflict):
    """It has expired: there is nothing left to take back."""

    code = "grant_ended"


class GrantUsedUp(Conflict):
    """All of it was spent: there is nothing to take back."""

    code = "grant_used_up"


@dataclass(frozen=True, slots=True)
class Grace:
    """Credit for one user: ``amount`` in nano-units of ``currency``, until ``expires_at`` if any.

    Of several grants the one with the lowest ``priority`` is spent first, and all of them before
    paid credit.
    """

    user_id: int
    amount: int
    currency: str
    reason: str
    idempotency_key: str
    expires_at: datetime | None = None
    priority: int = PRIORITY


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was taken back, in nano-units, and the wallet as it stood after this call."""

    funded: Funded
    lapsed: int


def grant(db: Database, grace: Grace, *, actor: Actor, now: datetime) -> Funded:
    """Give credit; what is owed is covered by it at once.

    Raises:
        NotFound: there is no such user.
        Invalid: it would be over already (``grant_over_already``).
        EntryInvalid: the amount is not greater than zero, or there is no reason or key.
        IdempotencyConflict: the key was used for something else.
    """
    return db.run(lambda session: grant_in(session, grace, actor=actor, now=now))


def grant_in(session: Session, grace: Grace, *, actor: Actor, now: datetime) -> Funded:
    """The same in a transaction of the caller's, which has no other wallet locked."""
    gift = Gift(
        terms=Terms(expires_at=grace.expires_at, priority=grace.priority),
        amount=grace.amount,
        idempotency_key=grace.idempotency_key,
        actor=actor.name,
        reason=grace.reason,
    )
    entry = entry_of(gift)
    check(entry)
    wallet = writer.lock_wallet(session, grace.user_id, currency=grace.currency, now=now)
    # Looked up before the time is judged: asking again later gives nothing a second time.
    replayed = writer.find_posted(session, wallet, entry)
    if replayed is not None:
        return _funded(wallet, replayed, is_replay=True)
    if grace.expires_at is not None and grace.expires_at <= now:
        raise Invalid("the credit would be over already", code="grant_over_already")
    before = wallet.balance
    if before + grace.amount > NANO_MAX:
        raise Invalid(
            "the balance would be more than the ledger can hold", code="balance_too_large"
        )
    posted = give(session, wallet, gift, now=now)
    after = {"balance": format_nano(wallet.balance), "transaction": posted.transaction.id}
    journal.record(
        session,
        actor=actor,
        action="wallets.grant",
        subject=("wallet", wallet.user_id),
        now=now,
        change=({"balance": format_nano(before)}, after | gift.terms.details()),
        reason=grace.reason,
    )
    return _funded(wallet, posted.transaction, is_replay=posted.is_replay)


def revoke(
    db: Database, transaction_id: int, *, reason: str, actor: Actor, now: datetime
) -> Revoked:
    """End a grant now: what is left of it leaves the wallet. Again, it changes nothing.

    What was spent of it stays spent.

    Raises:
        GrantNotFound: the transaction is no grant.
        GrantEnded: it has expired, whether the worker has booked that yet or not.
        GrantUsedUp: nothing is left of it.
        EntryInvalid: there is no reason.
    """

    def work(session: Session) -> Revoked:
        row = store.find(session, transaction_id)
        if row is None:
            raise GrantNotFound(f"transaction {transaction_id} is no grant")
        wallet = writer.lock_wallet_of(session, _transaction(session, row))
        session.refresh(row)
        if row.closed_as == "revoked":
            return Revoked(_funded(wallet, _transaction(session, row), is_replay=True), row.lapsed)
        if row.closed_as == "expired" or _is_over(row, now):
            raise GrantEnded(f"the credit of transaction {transaction_id} has expired already")
        if not _left(session, wallet, row):
            raise GrantUsedUp(
                f"all of the credit of transaction {transaction_id} was spent: nothing is left "
                "to take back"
            )
        before = wallet.balance
        (closed,) = close(
            session, wallet, [row.sequence], "revoked", actor=actor.name, now=now, reason=reason
        )
        _note_revoked(session, wallet, closed, before, reason=reason, actor=actor, now=now)
        return Revoked(_funded(wallet, closed.transaction, is_replay=False), closed.lapsed)

    return db.run(work)


def _note_revoked(
    session: Session,
    wallet: Account,
    closed: Closed,
    before: int,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    journal.record(
        session,
        actor=actor,
        action="wallets.revoke_grant",
        subject=("wallet", wallet.user_id),
        now=now,
        change=(
            {"balance": format_nano(before), "grant": closed.grant.transaction_id},
            {"balance": format_nano(wallet.balance), "transaction": closed.transaction.id},
        ),
        reason=reason,
    )


def _is_over(row: Grant, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _left(session: Session, wallet: Account, row: Grant) -> int:
    credit = load(session, wallet)
    held = None if credit is None else credit.open.get(row.sequence)
    return 0 if held is None else held.remaining


def _transaction(session: Session, row: Grant) -> Transaction:
    return session.get_one(Transaction, row.transaction_id)


def _funded(wallet: Account, transaction: Transaction, *, is_replay: bool) -> Funded:
    return Funded(
        user_id=wallet.user_id or 0,
        transaction_id=transaction.id,
        balance=wallet.balance,
        version=wallet.version,
        is_replay=is_replay,
    )
