"""The ledger: accounts, transactions, what reverses them, and whether it all adds up."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.admin import paging
from app.admin.desk import Desk
from app.admin.inputs import Amount, Number, Reason, Text
from app.admin.paging import Page, PageQuery
from app.admin.resources import wallets
from app.admin.resources.wallets import FundedOut, Preview
from app.errors import Conflict
from app.funding import changes
from app.funding.changes import Reversal
from app.ledger import reratings
from app.ledger import store as ledger_store
from app.ledger.browsing import store as browsing
from app.ledger.browsing.store import Listed, Wanted
from app.ledger.models import Account
from app.ledger.transactions import Kind, wallet_name
from app.metering import store as metering_store
from app.moments import Moment
from app.money import from_nano
from app.pricing import store as pricing_store
from app.statements import verification
from app.users import store as user_store

DAYS_MAX = 31
VERIFY_S = 8
"""Browsers, proxies and workers wait for an answer; what takes longer is for the command line."""
FINDINGS_MAX = 200


class VerificationTooLong(Conflict):
    """There is too much to look at while somebody waits."""

    code = "verification_too_long"


class AccountOut(BaseModel):
    """A place where amounts stand."""

    name: str
    kind: Literal["wallet", "house"]
    balance: Amount
    currency: str
    user_id: int | None
    subject: str | None = Field(description="Whose wallet it is.")
    transactions: int | None = Field(description="How many a wallet has had.")


class AccountPage(Page[AccountOut]):
    """The house's accounts and the sum of all wallets, then wallets."""

    house: list[AccountOut]
    wallets_sum: Amount = Field(description="Of all wallets, on whichever page they are.")
    wallets_count: int


class AccountQuery(PageQuery):
    sort: Literal["oldest", "lowest", "highest"] = Field(
        default="oldest", description="By age, or by balance."
    )


class TransactionOut(BaseModel):
    """One balanced change of one wallet."""

    id: int
    kind: str
    user_id: int
    subject: str
    amount: Amount
    balance_after: Amount
    posted_at: datetime
    reason: str | None
    actor: str
    idempotency_key: str
    reference: str | None = Field(description="Of the answer that was charged or priced again.")
    reverses: int | None


class PostingOut(BaseModel):
    """One side of a transaction; all sum to zero."""

    account: str
    amount: Amount


class WholeTransactionOut(TransactionOut):
    """A transaction with its postings and its place in the wallet's chain."""

    wallet: str
    sequence: int
    postings: list[PostingOut]
    reversed_by: int | None
    priced_again_by: list[int] = Field(description="Adjustments that price the same answer again.")
    details: dict[str, Any]
    previous_hash: str
    hash: str


class TransactionPage(Page[TransactionOut]):
    """Transactions, newest first."""


class TransactionQuery(PageQuery):
    kind: Kind | None = None
    user_id: Number | None = None
    since: Moment | None = None
    until: Moment | None = Field(default=None, description="Up to, not including.")
    idempotency_key: Text | None = Field(default=None, description="Exactly.")
    actor: Text | None = Field(default=None, description="Exactly.")


class ReversalBody(BaseModel):
    """Why, and whether the balance may fall below zero."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    allow_negative: bool = False


class VerificationBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=DAYS_MAX)] = Field(
        default=1, description="What was written in so many days; what came before is believed."
    )


class FindingOut(BaseModel):
    """One thing that is wrong, and what to do."""

    code: str
    message: str
    ids: dict[str, Any]


class VerificationOut(BaseModel):
    """Whether what was written since then adds up."""

    ok: bool
    since: datetime
    findings: list[FindingOut]
    is_truncated: bool
    wallets: int
    transactions: int
    answers: int
    seconds: float


def accounts(desk: Desk, query: AccountQuery) -> AccountPage:
    place = paging.position(query.cursor, int, int)
    with desk.db.read() as session:
        sums = browsing.balances(session)
        house = ledger_store.list_house(session)
        rows = browsing.list_wallets(
            session,
            order=query.sort,
            after=None if place is None else (int(place[0]), int(place[1])),
            limit=query.limit + 1,
        )
        subjects = user_store.load_subjects(session, {row.user_id or 0 for row in rows})
        count = browsing.count_wallets(session)
    page = paging.page(
        rows,
        query.limit,
        shown=lambda row: _account(row, row.balance, subjects),
        at=lambda row: paging.cursor(row.balance, row.id),
    )
    return AccountPage(
        items=page.items,
        next=page.next,
        house=[_account(row, sums.get(row.name, 0), {}) for row in house],
        wallets_sum=from_nano(sums["wallets"]),
        wallets_count=count,
    )


def transactions(desk: Desk, query: TransactionQuery) -> TransactionPage:
    place = paging.position(query.cursor, str, int)
    with desk.db.read() as session:
        rows = browsing.list_transactions(
            session,
            _wanted(session, query),
            before=None if place is None else (paging.moment(place[0]), int(place[1])),
            limit=query.limit + 1,
        )
        shown = _shown(session, rows)
    page = paging.page(
        rows,
        query.limit,
        shown=shown,
        at=lambda row: paging.cursor(row.transaction.posted_at.isoformat(), row.transaction.id),
    )
    return TransactionPage(items=page.items, next=page.next)


def transaction(desk: Desk, transaction_id: int) -> WholeTransactionOut:
    with desk.db.read() as session:
        row = browsing.get_transaction(session, transaction_id)
        said = _shown(session, [row])(row)
        sides = ledger_store.load_sides(session, [transaction_id]).get(transaction_id, ())
        reversal = ledger_store.find_reversal(session, transaction_id)
        again = _priced_again(session, said.reference)
    stored = row.transaction
    return WholeTransactionOut(
        **said.model_dump(),
        wallet=wallet_name(row.user_id),
        sequence=stored.sequence,
        postings=[PostingOut(account=one.account, amount=from_nano(one.amount)) for one in sides],
        reversed_by=None if reversal is None else reversal.id,
        priced_again_by=[number for number in again if number != stored.id],
        details=stored.details,
        previous_hash=stored.previous_hash,
        hash=stored.hash,
    )


def reverse(desk: Desk, transaction_id: int, body: ReversalBody, *, key: str) -> FundedOut:
    paging.check_number(transaction_id, "transaction_not_found")
    reversal = Reversal(
        transaction_id=transaction_id,
        reason=body.reason,
        idempotency_key=key,
        allow_negative=body.allow_negative,
    )
    return wallets.told(desk, changes.reverse(desk.db, reversal, actor=desk.actor, now=desk.now))


def preview_reversal(desk: Desk, found: WholeTransactionOut) -> Preview:
    return wallets.preview(desk, found.user_id, -found.amount)


def verify(desk: Desk, body: VerificationBody) -> VerificationOut:
    """Look at what was written lately, while the caller waits.

    Raises:
        VerificationTooLong: it is more than can be looked at in ``VERIFY_S`` seconds.
    """
    since = desk.now - timedelta(days=body.days)
    began = time.monotonic()
    found = verification.verify(
        desk.db,
        zone=desk.settings.zone,
        since=since,
        findings_max=FINDINGS_MAX,
        on_step=_until(began + VERIFY_S),
    )
    return VerificationOut(
        ok=found.ok,
        since=since,
        findings=[
            FindingOut(code=one.code, message=one.message, ids=dict(one.ids))
            for one in found.findings
        ],
        is_truncated=found.is_truncated,
        wallets=found.wallets,
        transactions=found.transactions,
        answers=found.events,
        seconds=round(time.monotonic() - began, 2),
    )


def _until(end: float) -> Callable[[], None]:
    def check() -> None:
        if time.monotonic() > end:
            raise VerificationTooLong(
                f"it takes more than {VERIFY_S} seconds: choose fewer days, or run "
                "`shareauth ledger verify`; every night all of it is verified anyway"
            )

    return check


def _wanted(session: Session, query: TransactionQuery) -> Wanted:
    wallet_id = None
    if query.user_id is not None:
        wallet = ledger_store.find_account(session, query.user_id)
        wallet_id = 0 if wallet is None else wallet.id
    return Wanted(
        kind=query.kind,
        wallet_id=wallet_id,
        since=query.since,
        until=query.until,
        idempotency_key=query.idempotency_key,
        actor=query.actor,
    )


def _shown(session: Session, rows: list[Listed]) -> Callable[[Listed], TransactionOut]:
    subjects = user_store.load_subjects(session, {row.user_id for row in rows})
    events = metering_store.load_events(
        session, {row.transaction.event_id for row in rows if row.transaction.event_id}
    )

    def shown(row: Listed) -> TransactionOut:
        stored = row.transaction
        rerating = reratings.find(stored.details)
        reference = None if rerating is None else rerating.reference
        if stored.event_id in events:
            reference = events[stored.event_id].reference
        return TransactionOut(
            id=stored.id,
            kind=stored.kind,
            user_id=row.user_id,
            subject=subjects.get(row.user_id, ""),
            amount=from_nano(stored.amount),
            balance_after=from_nano(stored.balance_after),
            posted_at=stored.posted_at,
            reason=stored.reason,
            actor=stored.actor,
            idempotency_key=stored.idempotency_key,
            reference=reference,
            reverses=stored.reverses_id,
        )

    return shown


def _priced_again(session: Session, reference: str | None) -> list[int]:
    if reference is None:
        return []
    found = pricing_store.load_reratings(session, [reference])[reference]
    return [one.transaction_id for one in found]


def _account(row: Account, balance: int, subjects: Mapping[int, str]) -> AccountOut:
    return AccountOut(
        name=row.name,
        kind="house" if row.user_id is None else "wallet",
        balance=from_nano(balance),
        currency=row.currency,
        user_id=row.user_id,
        subject=subjects.get(row.user_id or 0),
        transactions=None if row.user_id is None else row.version,
    )
