"""Book what a preview found: one adjustment for each answer whose price changes.

A page of one user's answers is one transaction, with its audit row. Whatever ends a run half-way,
the same run again books what is missing and nothing twice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.db import Database
from app.errors import Conflict
from app.ledger import reratings, writer
from app.ledger.models import Account
from app.ledger.transactions import Entry
from app.ledger.writer import Booking
from app.money import format_nano
from app.pricing import store as pricing_store
from app.rerating.preview import Preview
from app.rerating.priced import Outcome
from app.rerating.selection import Month
from app.rerating.walk import Quest, Walk


class PreviewChanged(Conflict):
    """What would be booked is not what was looked at."""

    code = "preview_changed"


class WalletsBelowZero(Conflict):
    """The run takes more from a wallet than there is, and was not told that it may."""

    code = "balance_would_be_negative"


@dataclass(frozen=True, slots=True)
class Order:
    """How to book: in the operator's currency, and why. ``run`` is the preview's digest."""

    run: str
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Booked:
    """One transaction of the run: how many adjustments, and the wallet as it left it; nano-units.

    ``last_event`` is where the page ended. Hand ``balance`` and ``version`` to the gate.
    """

    user_id: int
    adjustments: int
    amount: int
    balance: int
    version: int
    last_event: int


Alongside = Callable[[Session, Booked], None]
"""What else is written in the transaction of a page, such as how far the run is."""


def check(found: Preview, *, expect: str | None, allow_negative: bool) -> None:
    """Refuse to book what nobody looked at, or what nobody has leave for.

    Balances are those of the preview: what a wallet loses to answers meanwhile is not judged again.

    Raises:
        PreviewChanged: the preview is not the expected one.
        WalletsBelowZero: wallets would fall below zero without ``allow_negative``.
    """
    if expect is not None and found.digest != expect:
        raise PreviewChanged(
            f"the preview is {found.digest} now, not {expect}: answers came in, were reversed or "
            "priced again, or the prices changed. Nothing was booked; look at a new preview"
        )
    if found.below_zero and not allow_negative:
        raise WalletsBelowZero(
            f"{len(found.below_zero)} wallets would fall below zero; "
            "that needs leave (--allow-negative)"
        )


def apply(
    db: Database,
    found: Preview,
    order: Order,
    *,
    actor: Actor,
    now: datetime,
    alongside: Alongside | None = None,
) -> Iterator[Booked]:
    """Book the differences, user by user, and say so after each transaction.

    ``alongside`` is called in each page's transaction, also where nothing was booked; what it
    raises undoes the page and ends the run. It may be called again for a page that lost a race.

    Each answer is priced once more with its wallet locked: what was reversed or booked since the
    preview is not booked again. Answers that came since are left out.

    Raises:
        EntryInvalid: there is no reason, or an amount is more than the ledger can hold.
    """
    # What is missing is counted from what the answers cost now, whichever run made it so.
    quest = replace(found.quest, run=None)
    for user in found.users:
        for month in user.open_months:

            def book(session: Session, after: int, month: Month = month) -> Booked | None:
                booked = _book_page(session, quest, month, after, order, actor=actor, now=now)
                if booked is not None and alongside is not None:
                    alongside(session, booked)
                return booked

            yield from _apply_month(db, book)


def _apply_month(db: Database, book: Callable[[Session, int], Booked | None]) -> Iterator[Booked]:
    after: int | None = 0
    while after is not None:
        start = after

        def work(session: Session, start: int = start) -> Booked | None:
            return book(session, start)

        booked = db.run(work)
        after = None if booked is None else booked.last_event
        if booked is not None and booked.adjustments:
            yield booked


def _book_page(
    session: Session,
    quest: Quest,
    month: Month,
    after: int,
    order: Order,
    *,
    actor: Actor,
    now: datetime,
) -> Booked | None:
    """The next page, booked; None when there is no more."""
    user_id = month.user_id
    wallet = writer.lock_wallet(session, user_id, currency=order.currency, now=now)
    page = Walk(session, quest, month, after=after).page()
    if not page:
        return None
    before = wallet.balance
    adjusted = [one for one in page if one.is_open]
    if adjusted:
        _post(session, wallet, adjusted, order, actor=actor, now=now)
        journal.record(
            session,
            actor=actor,
            action="wallets.rerate",
            subject=("wallet", user_id),
            now=now,
            change=(
                {"balance": format_nano(before)},
                {
                    "balance": format_nano(wallet.balance),
                    "run": order.run,
                    "adjustments": len(adjusted),
                },
            ),
            reason=order.reason,
        )
    return Booked(
        user_id=user_id,
        adjustments=len(adjusted),
        amount=wallet.balance - before,
        balance=wallet.balance,
        version=wallet.version,
        last_event=page[-1].event_id,
    )


def _post(
    session: Session,
    wallet: Account,
    adjusted: Sequence[Outcome],
    order: Order,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    month = (wallet.user_id or 0, adjusted[0].month)
    bookings: list[Booking] = []
    allowance = 0
    for one in adjusted:
        rerating = one.rerating(order.run)
        entry = Entry(
            kind="adjustment",
            amount=rerating.amount,
            counter_account="adjustments",
            idempotency_key=reratings.key(one.reference, one.booked + 1),
            actor=actor.name,
            reason=order.reason,
            details=rerating.details(),
        )
        bookings.append(Booking(wallet, entry, now))
        allowance += rerating.allowance_change
    writer.post_many(session, bookings)
    pricing_store.move_allowances(session, {month: allowance})
