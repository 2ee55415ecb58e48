"""Statements that read the ledger to be exported: postings, and what a period made of wallets."""

from collections.abc import Sequence
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.exports.columns import Row
from app.exports.scope import Scope
from app.exports.walk.store import LATE, OWN, Key, Page, Walk, fetch, iso_text, next_key
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


def read_postings(session: Session, scope: Scope, key: Key, limit: int) -> Page:
    """Rows of the table ``postings``: both sides of ``limit`` transactions."""
    wallet, account = aliased(Account), aliased(Account)
    chosen = sa.select(
        Transaction.id,
        Transaction.posted_at,
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
    page = walk(scope).page(chosen, scope.period, key, limit).subquery()
    is_late = key[0] == LATE
    order = [page.c.id] if is_late else [page.c.posted_at, page.c.id]
    found = fetch(
        session,
        sa.select(
            page.c.id,
            iso_text(session, page.c.posted_at),
            page.c.kind,
            wallet.name,
            page.c.sequence,
            account.name,
            wallet.currency,
            Posting.amount,
            page.c.balance_after,
            page.c.event_id,
            page.c.reverses_id,
            page.c.reason,
            page.c.actor,
            Posting.position,
        )
        .select_from(page)
        .join(Posting, Posting.transaction_id == page.c.id)
        .join(wallet, wallet.id == page.c.wallet_id)
        .join(account, account.id == Posting.account_id)
        .order_by(*order, Posting.position),
    )
    last = (found[-1][1], found[-1][0]) if found else None
    is_full = len({row[0] for row in found}) == limit
    return Page([(*row, is_late) for row in found], next_key(key, last, is_full=is_full))


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
    wallets = fetch(session, chosen)
    moved = _moved(session, scope, [row[0] for row in wallets])
    rows = [_statement(wallet, moved.get(wallet[0], {})) for wallet in wallets]
    is_full = len(wallets) == limit
    return Page(rows, [OWN, None, wallets[-1][0]] if is_full else None)


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
