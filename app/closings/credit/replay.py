"""What a period made of each grant of some wallets: their chains replayed over it.

Which credit was spent follows from the order in which the books got things; which period it
belongs to from the period, transaction by transaction. So what all closings say of a grant
together is what the whole chain says. A replay begins where the wallet had no grant open, and so
costs what the wallet did since the oldest grant that the period can know of.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.orm import Session

from app.closings.credit import store
from app.closings.credit.store import End, Life
from app.closings.granted import CreditSum, GrantRow, GrantTerms
from app.closings.sums import store as sums
from app.closings.sums.store import Stretch
from app.ledger.burndown import Credit, Move
from app.ledger.credit import store as credit_store
from app.ledger.transactions import canonical_time
from app.periods import Period

CLOCKS_APART = timedelta(days=1)


def grants_of(
    session: Session, stretch: Stretch, period: Period, upto: int
) -> dict[int, list[GrantRow]]:
    """By wallet, the grants that the period began with, gave, drew from or ended.

    ``upto`` is the transaction up to which the period's books go.
    """
    found = store.lives(session, stretch, upto=upto)
    after = None if period.after is None else period.after.transaction_id
    firsts = {wallet: _first(of, period, after) for wallet, of in found.items()}
    if all(first is None for first in firsts.values()):
        return {}
    heads = sums.heads(session, stretch, upto)
    before = {} if after is None else sums.heads(session, stretch, after)
    rows = {}
    for wallet, first in firsts.items():
        if first is None:
            continue
        place = before.get(wallet)
        split = _Split(period, None if after is None else (0 if place is None else place.sequence))
        _replay(session, wallet, first, heads[wallet].sequence, split)
        rows[wallet] = _rows(found[wallet], split.sums)
    return rows


def _first(lives: Sequence[Life], period: Period, after: int | None) -> int | None:
    """Where to begin; None: the period knows of none of them.

    That is the first of the grants that were open, one or more at a time without a gap, until one
    that the period knows of.
    """
    begin, open_until = 0, 0
    for life in lives:
        if life.sequence > open_until:
            begin = life.sequence
        if life.end is None or _knows(life.end, period, after):
            return begin
        open_until = max(open_until, life.end.sequence)
    return None


def _knows(end: End, period: Period, after: int | None) -> bool:
    """Whether anything of the period can have to do with a grant that ended so.

    What was drawn from a grant is of a time before it expired; before it was revoked but for the
    difference of two clocks.
    """
    since = period.since - CLOCKS_APART if end.is_revocation else period.since
    return end.at >= since or (after is not None and end.transaction > after)


@dataclass(slots=True)
class _Split:
    """``after`` is where the wallet's chain stood at the closing before; None: there was none."""

    period: Period
    after: int | None
    sums: defaultdict[int, CreditSum] = field(default_factory=lambda: defaultdict(CreditSum))
    """By the sequence of the grant."""

    def is_before(self, move: Move) -> bool:
        return move.at < self.period.since and (self.after is None or move.sequence <= self.after)

    def note(self, move: Move, effects: Mapping[int, CreditSum]) -> None:
        if move.at >= self.period.until:
            return
        for grant, effect in effects.items():
            is_before = self.is_before(move)
            self.sums[grant].add(CreditSum(opening=effect.closing) if is_before else effect)


def _replay(session: Session, wallet: int, first: int, last: int, split: _Split) -> None:
    credit = Credit(
        sequence=first - 1,
        balance=credit_store.balance_at(session, wallet, first - 1),
        corrected=range(last + 1),  # any answer may be: what each drew is remembered
    )
    for move in credit_store.moves(session, wallet, after=first - 1, upto=last):
        left = {grant: held.remaining for grant, held in credit.open.items()}
        credit.apply(move)
        split.note(move, _effects(move, left, credit))


def _effects(move: Move, left: Mapping[int, int], credit: Credit) -> dict[int, CreditSum]:
    """What the transaction did to each grant."""
    effects = {}
    given = {} if move.terms is None else {move.sequence: move.amount}
    is_charge = move.answer == move.sequence
    for grant, held in credit.open.items():
        spent = left.get(grant, 0) + given.get(grant, 0) - held.remaining
        if spent or grant in given:
            effects[grant] = CreditSum(
                given=given.get(grant, 0), spent=spent, charged=spent if is_charge else 0
            )
    closing = move.closing
    if closing is not None and closing.grant in left:
        lapsed = -move.amount
        revoked = closing.because == "revoked"
        effects[closing.grant] = CreditSum(
            expired=0 if revoked else lapsed, revoked=lapsed if revoked else 0
        )
    return effects


def _rows(lives: Sequence[Life], found: Mapping[int, CreditSum]) -> list[GrantRow]:
    return [
        (_terms(life), found[life.sequence])
        for life in lives
        if life.sequence in found and not found[life.sequence].is_empty
    ]


def _terms(life: Life) -> GrantTerms:
    until = life.expires_at
    return GrantTerms(
        transaction=life.transaction,
        source=life.source,
        plan=life.plan,
        month=life.month,
        priority=life.priority,
        granted_at=canonical_time(life.granted_at),
        expires_at=None if until is None else canonical_time(until),
        amount=life.amount,
    )
