"""Statements that read the ledger to be exported: postings, and what a period made of wallets."""

from collections.abc import Sequence
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.exports.columns import Batch, Row, columns_of
from app.exports.names.store import Names
from app.exports.scope import Scope
from app.exports.walk.store import (
    LATE,
    OWN,
    Columns,
    Key,
    Page,
    Walk,
    among,
    fetch,
    iso_text,
    next_key,
    parts_of,
    repeated,
)
from app.ledger.models import Account, Posting, Transaction
from app.ledger.transactions import Kind
from app.users.models import User

KINDS: tuple[str, ...] = get_args(Kind)
"""Of transactions; each is a column of statements."""


def walk(scope: Scope) -> Walk:
    period = scope.period
    return Walk(
        Transaction.posted_at,
        Transaction.id,
        upto=None if period.upto is None else period.upto.transaction_id,
        after=None if period.after is None else period.after.transaction_id,
    )


def read_postings(session: Session, scope: Scope, key: Key, limit: int, names: Names) -> Page:
    """Rows of the table ``postings``: both sides of ``limit`` transactions."""
    chosen = sa.select(
        Transaction.id,
        iso_text(session, Transaction.posted_at),
        Transaction.kind,
        Transaction.wallet_id,
        Transaction.sequence,
        Transaction.balance_after,
        Transaction.event_id,
        Transaction.reverses_id,
        Transaction.reason,
        Transaction.actor,
    )
    if scope.kind is not None:
        chosen = chosen.where(Transaction.kind == scope.kind)
    if scope.user_id is not None:
        theirs = sa.select(Account.id).where(Account.user_id == scope.user_id)
        chosen = chosen.where(Transaction.wallet_id.in_(theirs))
    found = fetch(session, walk(scope).page(chosen, scope.period, key, limit))
    ids, at, kinds, wallets, *told = found
    following = next_key(key, at, ids, limit)
    if not ids:
        return Page(Batch([]), following)
    postings, places = parts_of(ids, _postings(session, ids))
    wallet_names, currencies = names.accounts.columns(session, wallets)
    heads = repeated((ids, at, kinds, wallet_names, currencies, *told), places)
    *begin, currencies, sequences = heads[:6]
    _, positions, accounts, amounts = postings
    account_names, _ = names.accounts.columns(session, accounts)
    columns = (
        *(*begin, sequences, account_names, currencies, amounts),
        *heads[6:],
        *(positions, [key[0] == LATE] * len(places)),
    )
    return Page(Batch(columns), following)


def _postings(session: Session, transaction_ids: Sequence[int]) -> Columns:
    """Behind the ids of their transactions; some are of other transactions."""
    return fetch(
        session,
        sa.select(Posting.transaction_id, Posting.position, Posting.account_id, Posting.amount)
        .where(among(session, Posting.transaction_id, transaction_ids))
        .order_by(Posting.transaction_id, Posting.position),
    )


def begin_of_wallets() -> Key:
    return [OWN, None, 0]


def read_statements(session: Session, scope: Scope, key: Key, limit: int) -> Page:
    """Rows of the table ``statements``: a row for each wallet that had moved by the position.

    Counted back from the balance of now, so that no more is read than has happened since.
    """
    first = aliased(Transaction)
    has_moved = sa.exists().where(first.wallet_id == Account.id, first.sequence == 1)
    if scope.period.upto is not None:
        has_moved = has_moved.where(first.id <= scope.period.upto.transaction_id)
    chosen = (
        sa.select(Account.id, User.uid, User.subject, User.name, Account.currency, Account.balance)
        .join(User, User.id == Account.user_id)
        .where(Account.kind == "wallet", Account.id > key[2], has_moved)
        .order_by(Account.id)
        .limit(limit)
    )
    if scope.user_id is not None:
        chosen = chosen.where(Account.user_id == scope.user_id)
    ids, *told = fetch(session, chosen)
    if not ids:
        return Page(Batch([]), None)
    moved = _moved(session, scope, ids)
    wallets = zip(ids, *told, strict=True)
    rows = [_statement(wallet, moved.get(wallet[0], {})) for wallet in wallets]
    following: Key | None = [OWN, None, ids[-1]] if len(ids) == limit else None
    return Page(Batch(columns_of(rows)), following)


def _statement(wallet: Row, moved: dict[tuple[str, bool], int]) -> Row:
    kinds = [moved.get((kind, True), 0) for kind in KINDS]
    opening = wallet[5] - sum(moved.values())
    return (*wallet[1:5], opening, *kinds, opening + sum(kinds))


def _moved(
    session: Session, scope: Scope, wallet_ids: Sequence[int]
) -> dict[int, dict[tuple[str, bool], int]]:
    """Sums of what is not in the opening balance, by kind and whether it is of the period."""
    inside, outside = _conditions(scope)
    sums = (
        sa.select(Transaction.wallet_id, Transaction.kind, inside, sa.func.sum(Transaction.amount))
        .where(Transaction.wallet_id.in_(wallet_ids), outside)
        .group_by(Transaction.wallet_id, Transaction.kind, inside)
    )
    moved: dict[int, dict[tuple[str, bool], int]] = {}
    for wallet_id, kind, is_inside, amount in session.execute(sums):
        moved.setdefault(wallet_id, {})[kind, bool(is_inside)] = int(amount)
    return moved


def _conditions(scope: Scope) -> tuple[Any, Any]:
    """What is of the period; and what is not in its opening balance."""
    period, at, row_id = scope.period, Transaction.posted_at, Transaction.id
    inside = (at >= period.since) & (at < period.until)
    if period.upto is None:
        return inside, at >= period.since
    upto = period.upto.transaction_id
    inside &= row_id <= upto
    if period.after is None:
        return inside, (at >= period.since) | (row_id > upto)
    after = period.after.transaction_id
    inside |= (at < period.since) & (row_id > after) & (row_id <= upto)
    return inside, (at >= period.since) | (row_id > after)
