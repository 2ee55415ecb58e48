"""Redeem a code: its amount goes to the user's wallet, once, paid or granted as its batch says.

Code, transaction and audit row are one database transaction. The same user asking again for the
same code gets the first answer again, so a caller whose answer got lost asks again. Hand
``Redeemed.funded``'s ``balance`` and ``version`` to the gate afterwards.

What somebody else redeemed is answered like a code that does not exist: whoever finds a card learns
nothing about its owner. Both count as a wrong attempt. Expired, paused and cancelled codes are
named as such: whoever gets to know holds the code.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.audit import journal
from app.audit.journal import Actor
from app.codes import attempts as throttle
from app.codes import notation, store
from app.codes.commands import CANCELLED, PAUSED
from app.codes.models import CodeBatch, RedemptionCode
from app.db import Database
from app.errors import Conflict, Invalid, NotFound
from app.funding.changes import Funded
from app.keys import Keys
from app.ledger import store as ledger_store
from app.ledger import writer
from app.ledger.credit.writer import Gift, give
from app.ledger.grants import Terms
from app.ledger.grants import find as find_terms
from app.ledger.models import Account
from app.ledger.redemptions import Redemption, key
from app.ledger.transactions import COUNTER_ACCOUNT, Entry
from app.ledger.writer import Posted
from app.moments import after_day
from app.money import NANO_MAX, format_nano


class CodeUnknown(NotFound):
    """No code reads like this, or somebody else has redeemed it."""

    code = "code_unknown"


class CodeExpired(Conflict):
    """Its time is over."""

    code = "code_expired"


class CodePaused(Conflict):
    """Its batch is paused; it may be taken again later."""

    code = "code_paused"


class CodeCancelled(Conflict):
    """Its batch was cancelled."""

    code = "code_cancelled"


class CodeWrongCurrency(Conflict):
    """It is worth something in another currency than the wallets have."""

    code = "code_wrong_currency"


class CodeLimitReached(Conflict):
    """The user has redeemed as many codes of this batch as one may."""

    code = "code_limit_reached"


@dataclass(frozen=True, slots=True)
class Ask:
    """Who redeems what. ``typed`` is the code as a person wrote it.

    ``currency`` is the operator's (``billing.currency``), and so is ``zone``: days of credit are
    counted by it.
    """

    user_id: int
    typed: str
    currency: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The transaction and the wallet after this call; ``amount`` in nano-units of ``currency``.

    ``batch`` and ``serial`` name the code without telling it. ``terms`` are those of the credit it
    granted; None for paid credit.
    """

    funded: Funded
    amount: int
    currency: str
    batch: str
    serial: int
    terms: Terms | None = None


def redeem(db: Database, ask: Ask, *, keys: Keys, actor: Actor, now: datetime) -> Redeemed:
    """Put what the code is worth into the user's wallet.

    Raises:
        CodeMalformed: it is no code, or mistyped; no attempt is counted.
        TooManyAttempts: the user has tried too many codes that do not exist.
        CodeUnknown, CodeExpired, CodePaused, CodeCancelled, CodeWrongCurrency, CodeLimitReached:
            as their names say.
        NotFound: there is no such user (``user_not_found``).
        CurrencyChanged: the wallet is in another currency than the operator's.
    """
    digest = keys.code_digest(notation.parse(ask.typed))
    redeemed = db.run(lambda session: _redeem(session, ask, digest, actor=actor, now=now))
    if redeemed is None:  # raised out here: the count of wrong attempts is to be committed
        raise CodeUnknown("no code reads like this, or it has been used")
    return redeemed


def _redeem(
    session: Session, ask: Ask, digest: str, *, actor: Actor, now: datetime
) -> Redeemed | None:
    """What came of it; None when there is no such code for this user, and that is counted."""
    try:
        attempts = store.lock_attempts(session, ask.user_id, now=now)
    except IntegrityError as error:
        raise NotFound("there is no such user", code="user_not_found") from error
    throttle.check(attempts, now)
    found = store.lock_code(session, digest)
    if found is None or found.code.redeemed_by not in {None, ask.user_id}:
        throttle.count_failure(attempts, now)
        return None
    code, batch = found.code, found.batch
    if code.transaction_id is not None:
        return _again(session, ask, code, batch)
    _check(session, ask, batch, now)
    return _book(session, ask, code, batch, actor=actor, now=now)


def _check(session: Session, ask: Ask, batch: CodeBatch, now: datetime) -> None:
    if batch.status == CANCELLED:
        raise CodeCancelled("the code was cancelled by who issued it")
    if batch.expires_at is not None and now >= batch.expires_at:
        raise CodeExpired(f"the code could be redeemed until {batch.expires_at:%Y-%m-%d %H:%M} UTC")
    if batch.credit_until is not None and now >= batch.credit_until:
        raise CodeExpired(f"its credit was good until {batch.credit_until:%Y-%m-%d %H:%M} UTC")
    if batch.status == PAUSED:
        raise CodePaused("codes of this kind are not taken at the moment: try again later")
    if batch.currency != ask.currency:
        raise CodeWrongCurrency(
            f"the code is worth {batch.currency}, but billing.currency is {ask.currency}: "
            "amounts are never converted"
        )
    limit = batch.per_user_max
    if limit is not None and store.count_redeemed_by(session, batch.id, ask.user_id) >= limit:
        raise CodeLimitReached(f"one user may redeem {limit} codes of this kind, and has")


def _book(
    session: Session,
    ask: Ask,
    code: RedemptionCode,
    batch: CodeBatch,
    *,
    actor: Actor,
    now: datetime,
) -> Redeemed:
    wallet = writer.lock_wallet(session, ask.user_id, currency=ask.currency, now=now)
    before = wallet.balance
    if before + batch.amount > NANO_MAX:
        raise Invalid(
            "the balance would be more than the ledger can hold", code="balance_too_large"
        )
    terms = _terms(ask, batch, now)
    posted = _post(session, wallet, code, batch, terms, actor=actor, now=now)
    code.redeemed_by = ask.user_id
    code.redeemed_at = now
    code.transaction_id = posted.transaction.id
    code.sealed_code = None
    session.flush()
    journal.record(
        session,
        actor=actor,
        action="wallets.redeem",
        subject=("wallet", ask.user_id),
        now=now,
        change=(
            {"balance": format_nano(before)},
            {
                "balance": format_nano(wallet.balance),
                "transaction": posted.transaction.id,
                "batch": batch.name,
                "serial": code.serial,
                **({} if terms is None else terms.details()),
            },
        ),
    )
    funded = Funded(
        ask.user_id, posted.transaction.id, wallet.balance, wallet.version, posted.is_replay
    )
    return Redeemed(funded, batch.amount, batch.currency, batch.name, code.serial, terms)


def _terms(ask: Ask, batch: CodeBatch, now: datetime) -> Terms | None:
    """On which terms the code's credit is granted; None when it is paid credit."""
    if batch.credit_priority is None:
        return None
    until = batch.credit_until
    if batch.credit_days is not None:
        today = now.astimezone(ask.zone).date()
        until = after_day(today + timedelta(days=batch.credit_days), ask.zone)
    return Terms(expires_at=until, priority=batch.credit_priority, source="code")


def _post(
    session: Session,
    wallet: Account,
    code: RedemptionCode,
    batch: CodeBatch,
    terms: Terms | None,
    *,
    actor: Actor,
    now: datetime,
) -> Posted:
    said, reason = Redemption(code.id, batch.id), _reason(batch, code)
    if terms is not None:
        gift = Gift(terms, batch.amount, key(code.id), actor.name, reason, said)
        return give(session, wallet, gift, now=now)
    entry = Entry(
        kind="redemption",
        amount=batch.amount,
        counter_account=COUNTER_ACCOUNT["redemption"],
        idempotency_key=key(code.id),
        actor=actor.name,
        reason=reason,
        details=said.details(),
    )
    return writer.post(session, wallet, entry, now=now)


def _again(session: Session, ask: Ask, code: RedemptionCode, batch: CodeBatch) -> Redeemed:
    wallet = ledger_store.find_account(session, ask.user_id)
    if wallet is None or code.transaction_id is None:  # its transaction is in that wallet
        raise RuntimeError(f"code {code.id} was redeemed into no wallet")
    posted = ledger_store.find_transaction(session, code.transaction_id)
    funded = Funded(ask.user_id, code.transaction_id, wallet.balance, wallet.version, True)
    terms = None if posted is None else find_terms(posted.details)
    return Redeemed(funded, batch.amount, batch.currency, batch.name, code.serial, terms)


def _reason(batch: CodeBatch, code: RedemptionCode) -> str:
    return f"code {code.serial} of {batch.name}"
