"""Statements that read the ledger's postings to be exported."""

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.columns import Batch
from app.exports.names.store import Names
from app.exports.scope import Scope
from app.exports.walk.store import (
    LATE,
    Columns,
    Key,
    Page,
    Walk,
    covering,
    fetch,
    iso_text,
    next_key,
    parts_of,
    repeated,
)
from app.ledger.models import Account, Posting, Transaction


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
        return following
    postings, places = parts_of(ids, _postings(session, ids))
    ask = partial(fetch, session)
    wallet_names, currencies = names.accounts.columns(ask, wallets)
    heads = repeated((ids, at, kinds, wallet_names, currencies, *told), places)
    *begin, currencies, sequences = heads[:6]
    _, positions, accounts, amounts = postings
    account_names, _ = names.accounts.columns(ask, accounts)
    columns = (
        *(*begin, sequences, account_names, currencies, amounts),
        *heads[6:],
        *(positions, [key[0] == LATE] * len(places)),
    )
    yield Batch(columns)
    return following


def _postings(session: Session, transaction_ids: Sequence[int]) -> Columns:
    """Behind the ids of their transactions; some are of other transactions."""
    return fetch(
        session,
        sa.select(Posting.transaction_id, Posting.position, Posting.account_id, Posting.amount)
        .where(covering(Posting.transaction_id, transaction_ids))
        .order_by(Posting.transaction_id, Posting.position),
    )
