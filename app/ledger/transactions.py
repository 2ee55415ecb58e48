"""What may be posted, and the balanced form it takes. Pure: no database, no clock."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from app.errors import Conflict, Invalid
from app.ledger import grants, redemptions, reratings
from app.money import NANO_MAX

Kind = Literal[
    "charge", "top_up", "redemption", "grant", "expiry", "adjustment", "refund", "reversal"
]
House = Literal["revenue", "funding", "redemptions", "promotions", "breakage", "adjustments"]

HOUSE_ACCOUNTS: tuple[House, ...] = get_args(House)
COUNTER_ACCOUNT: dict[Kind, House] = {
    "charge": "revenue",
    "top_up": "funding",
    "redemption": "redemptions",
    "grant": "promotions",
    "expiry": "breakage",
    "adjustment": "adjustments",
    "refund": "revenue",
}
"""The house's side of each kind; a reversal takes the one of the transaction it reverses."""

KEY_LENGTH_MAX = 120
ACTOR_LENGTH_MAX = 200
REASON_LENGTH_MAX = 2000
DETAILS_BYTES_MAX = 8192


class EntryInvalid(Invalid):
    """What was asked for breaks a rule of the ledger."""

    code = "ledger_entry_invalid"


class IdempotencyConflict(Conflict):
    """The key was used before, to ask for something else."""

    code = "idempotency_conflict"


class AlreadyReversed(Conflict):
    """A transaction is reversed at most once."""

    code = "already_reversed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a wallet that somebody asks for.

    ``amount`` is the signed change of the wallet's balance in nano-units. ``details`` is JSON-safe
    without floats: it goes into the hash, and a float does not read back the same everywhere.
    """

    kind: Kind
    amount: int
    counter_account: House
    idempotency_key: str
    actor: str
    reason: str | None = None
    event_id: int | None = None
    reverses_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """One posting: the account's name and the signed change of its balance."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Record:
    """One transaction with its postings, as its wallet's chain sees it."""

    wallet: str
    currency: str
    sequence: int
    kind: str
    idempotency_key: str
    input_hash: str
    posted_at: datetime
    amount: int
    balance_after: int
    event_id: int | None
    reverses_id: int | None
    reason: str | None
    actor: str
    details: Mapping[str, Any]
    sides: tuple[Side, ...]
    previous_hash: str
    hash: str


def wallet_name(user_id: int) -> str:
    return f"wallet:{user_id}"


def sides(wallet: str, counter_account: str, amount: int) -> tuple[Side, Side]:
    """The wallet's posting and the house's, which sum to zero; both stand even for zero."""
    return Side(wallet, amount), Side(counter_account, -amount)


def check(entry: Entry) -> None:
    """Refuse what the ledger must never hold.

    A reversal is checked against the transaction it reverses by ``check_reversal``.

    Raises:
        EntryInvalid: says which rule is broken.
    """
    _check_amount(entry)
    _check_references(entry)
    _check_text("idempotency key", entry.idempotency_key, KEY_LENGTH_MAX)
    _check_text("actor", entry.actor, ACTOR_LENGTH_MAX)
    if entry.reason is not None or entry.kind != "charge":
        _check_text("reason", entry.reason or "", REASON_LENGTH_MAX)
    _check_json(entry.details)
    _check_rerating(entry)
    _check_redemption(entry)
    _check_grant(entry)
    _check_expiry(entry)
    if len(canonical_json(entry.details)) > DETAILS_BYTES_MAX:
        raise EntryInvalid(f"details are longer than {DETAILS_BYTES_MAX} bytes of JSON")


def check_reversal(
    entry: Entry, *, wallet: str, reversed_wallet: str, reversed_kind: str, counter: Side
) -> None:
    """Refuse a reversal that is not the exact opposite, on the same two accounts.

    ``counter`` is the house's posting in the transaction to be reversed.

    Raises:
        EntryInvalid: says which rule is broken.
    """
    if reversed_wallet != wallet:
        raise EntryInvalid(f"transaction {entry.reverses_id} is not one of {wallet}")
    if reversed_kind == "reversal":
        raise EntryInvalid("a reversal cannot be reversed: post the change again instead")
    if reversed_kind in {"grant", "expiry"}:
        raise EntryInvalid(
            f"the {reversed_kind} of credit is not reversed: revoke what is left, or give it anew"
        )
    if entry.amount != counter.amount or entry.counter_account != counter.account:
        raise EntryInvalid(f"not the exact opposite of transaction {entry.reverses_id}")


def input_hash(wallet: str, entry: Entry) -> str:
    """The digest of what was asked for, whoever asked: all but key, actor and time."""
    asked = {
        "v": 1,
        "wallet": wallet,
        "kind": entry.kind,
        "amount": entry.amount,
        "counter_account": entry.counter_account,
        "reason": entry.reason,
        "event_id": entry.event_id,
        "reverses_id": entry.reverses_id,
        "details": entry.details,
    }
    return hashlib.sha256(canonical_json(asked)).hexdigest()


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """The one form in which JSON is hashed: keys sorted, no spaces, ASCII only."""
    return json.dumps(
        dict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def canonical_time(moment: datetime) -> str:
    """UTC with exactly six decimals, whatever the database gave back."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check_amount(entry: Entry) -> None:
    if abs(entry.amount) > NANO_MAX:
        raise EntryInvalid("the amount is more than the ledger can hold")
    if entry.kind == "charge" and entry.amount > 0:
        raise EntryInvalid("a charge never raises a balance: use a refund")
    if entry.kind == "expiry" and entry.amount > 0:
        raise EntryInvalid("an expiry takes away what is left of a grant, and nothing else")
    if entry.kind in {"top_up", "redemption", "refund", "grant"} and entry.amount <= 0:
        raise EntryInvalid(f"the amount of a {entry.kind} is greater than zero")
    # A re-rating may leave the charge as it is and change only how much of the usage was free.
    if entry.kind == "adjustment" and entry.amount == 0 and reratings.DETAIL not in entry.details:
        raise EntryInvalid("an adjustment of zero changes nothing")


def _check_references(entry: Entry) -> None:
    if (entry.kind == "charge") != (entry.event_id is not None):
        raise EntryInvalid("charges, and only charges, belong to a usage event")
    if (entry.kind == "reversal") != (entry.reverses_id is not None):
        raise EntryInvalid("reversals, and only reversals, name the transaction they reverse")
    if entry.counter_account != COUNTER_ACCOUNT.get(entry.kind, entry.counter_account):
        raise EntryInvalid(f"a {entry.kind} is not posted against {entry.counter_account}")


def _check_rerating(entry: Entry) -> None:
    try:
        rerating = reratings.read(entry.details)
    except Invalid as error:
        raise EntryInvalid(error.message) from error
    if rerating is None:
        if entry.idempotency_key.startswith(reratings.PREFIX):
            raise EntryInvalid(f"keys that begin with {reratings.PREFIX} are of re-ratings")
        return
    if entry.kind != "adjustment":
        raise EntryInvalid(f"a {entry.kind} prices nothing again: that is an adjustment")
    if not reratings.is_key_of(entry.idempotency_key, rerating.reference):
        raise EntryInvalid("its key is not that of a re-rating of its event")
    if entry.amount != rerating.amount:
        raise EntryInvalid("the amount is not the charge before less the charge after")


def _check_redemption(entry: Entry) -> None:
    said = redemptions.find(entry.details)
    is_key = entry.idempotency_key.startswith(redemptions.PREFIX)
    if entry.kind == "redemption":
        if said is None:
            raise EntryInvalid("its details do not say which code was redeemed")
        if entry.idempotency_key != redemptions.key(said.code_id):
            raise EntryInvalid("its key is not that of the code it redeems")
        return
    terms = grants.find(entry.details) if entry.kind == "grant" else None
    is_of_code = terms is not None and terms.source == "code"
    if is_of_code and (said is None or entry.idempotency_key != redemptions.key(said.code_id)):
        raise EntryInvalid("its details and key do not say which code gives the credit")
    if not is_of_code and (is_key or redemptions.DETAIL in entry.details):
        raise EntryInvalid(f"keys that begin with {redemptions.PREFIX} are of redeemed codes")


def _check_grant(entry: Entry) -> None:
    try:
        terms = grants.read(entry.details)
    except Invalid as error:
        raise EntryInvalid(error.message) from error
    if (entry.kind == "grant") != (terms is not None):
        raise EntryInvalid("grants, and only grants, say on which terms they are given")
    is_monthly = terms is not None and terms.source == "plan"
    if entry.idempotency_key.startswith(grants.MONTHLY_PREFIX) != is_monthly:
        raise EntryInvalid(f"keys that begin with {grants.MONTHLY_PREFIX} are of monthly credit")
    if is_monthly and terms and not grants.is_monthly_key_of(entry.idempotency_key, terms):
        raise EntryInvalid("its key is not that of its plan's credit of its month")


def _check_expiry(entry: Entry) -> None:
    closing = grants.find_closing(entry.details)
    is_key = entry.idempotency_key.startswith(grants.EXPIRY_PREFIX)
    if entry.kind == "expiry":
        if closing is None:
            raise EntryInvalid("its details do not say which grant ends")
        if not is_key or entry.idempotency_key.rpartition(":")[2] != str(closing.grant):
            raise EntryInvalid("its key is not that of the grant which ends")
    elif is_key or grants.EXPIRY_DETAIL in entry.details:
        raise EntryInvalid(f"keys that begin with {grants.EXPIRY_PREFIX} are of expiries")


def _check_text(what: str, text: str, length_max: int) -> None:
    if not text.strip() or len(text) > length_max:
        raise EntryInvalid(f"the {what} must have 1 to {length_max} characters")
    _check_storable(what, text)


def _check_storable(what: str, text: str) -> None:
    # PostgreSQL stores neither, SQLite both: the same input must do the same on each.
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise EntryInvalid(f"the {what} holds characters that cannot be stored")


def _check_json(value: object) -> None:
    match value:
        case None | bool() | int():
            return
        case str():
            _check_storable("details", value)
        case list() | tuple():
            for part in value:
                _check_json(part)
        case Mapping():
            for key, part in value.items():
                if not isinstance(key, str):
                    raise EntryInvalid("keys of details are text")
                _check_storable("details", key)
                _check_json(part)
        case _:
            raise EntryInvalid(f"details hold no {type(value).__name__}: write it as text")
