"""Whether what is left of grants, and what expired, is what the wallets' chains say."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from app.ledger.burndown import Credit, Move
from app.ledger.credit import store
from app.ledger.credit.models import Grant, GrantCheckpoint
from app.ledger.credit.writer import MOMENT
from app.ledger.grants import Terms
from app.ledger.models import Account
from app.ledger.verify import Finding
from app.money import format_nano

CODES = ("grant_differs", "expiry_differs")
"""Of every finding there is here."""

PAGE_WALLETS = 500
ROW_DIFFERS = (
    "its row in grants, or the note of how far they were replayed, is not what the wallet's "
    "transactions say. The row is only a copy: if no transaction is missing, set it to what they "
    "say."
)

Broken = tuple[str, tuple[int, str]]
"""A code, and the sequence of the transaction with what is wrong."""


def verify(session: Session, *, since: datetime | None) -> Iterator[Finding]:
    """Replay every wallet with grants; with ``since`` those that something was posted to since."""
    last = 0
    while True:
        page = store.wallets_with_grants(session, since=since, after=last, limit=PAGE_WALLETS)
        if not page:
            return
        checkpoints = {
            checkpoint.wallet_id: checkpoint
            for checkpoint in store.checkpoints_of(session, [wallet.id for wallet in page])
        }
        for wallet in page:
            replayed = _Replay(session, wallet, checkpoints.get(wallet.id))
            for code, (sequence, what) in replayed.broken():
                yield Finding(
                    code,
                    f"{wallet.name}: transaction {sequence}: {what}",
                    {"wallet": wallet.name, "sequence": sequence},
                )
        last = page[-1].id


class _Replay:
    def __init__(
        self, session: Session, wallet: Account, checkpoint: GrantCheckpoint | None
    ) -> None:
        self._session = session
        self._wallet = wallet
        self._checkpoint = checkpoint
        self._rows = {row.sequence: row for row in store.list_of_wallet(session, wallet.id)}
        self._left_then: dict[int, int] = {}
        self._balance_then: int | None = None

    def broken(self) -> Iterator[Broken]:
        session, wallet_id = self._session, self._wallet.id
        granted: dict[int, Move] = {}
        closed: dict[int, Move] = {}
        credit = Credit(corrected=store.corrected_answers(session, wallet_id))
        for move in store.moves(session, wallet_id, after=0):
            if move.terms is not None:
                granted[move.sequence] = move
            if move.closing is not None:
                yield from self._broken_expiry(credit, move)
                closed[move.closing.grant] = move
            credit.apply(move)
            self._note(credit)
        yield from self._broken_checkpoint()
        for sequence in sorted(granted.keys() | self._rows.keys()):
            row, grant = self._rows.get(sequence), granted.get(sequence)
            if row is None or grant is None or not self._is_right(row, grant, closed.get(sequence)):
                yield "grant_differs", (sequence, ROW_DIFFERS)

    def _note(self, credit: Credit) -> None:
        if self._checkpoint is not None and credit.sequence == self._checkpoint.sequence:
            self._balance_then = credit.balance
            self._left_then = {number: held.remaining for number, held in credit.open.items()}

    def _broken_expiry(self, credit: Credit, move: Move) -> Iterator[Broken]:
        closing = move.closing
        held = None if closing is None else credit.open.get(closing.grant)
        if held is None or closing is None:
            yield "expiry_differs", (move.sequence, "it ends no grant that was open then.")
            return
        until = held.terms.expires_at
        if move.amount != -held.remaining:
            what = (
                f"it takes {format_nano(-move.amount)}, but {format_nano(held.remaining)} were "
                "left of its grant. Compare the wallet's transactions with a backup."
            )
            yield "expiry_differs", (move.sequence, what)
        if closing.because == "expired" and (until is None or move.at + MOMENT < until):
            yield "expiry_differs", (move.sequence, "its grant was in force for longer.")

    def _broken_checkpoint(self) -> Iterator[Broken]:
        checkpoint = self._checkpoint
        first = min(self._rows, default=None)
        if checkpoint is None:
            return
        if (checkpoint.balance, checkpoint.first) != (self._balance_then, first):
            yield "grant_differs", (checkpoint.sequence, ROW_DIFFERS)

    def _is_right(self, row: Grant, grant: Move, expiry: Move | None) -> bool:
        closing = None if expiry is None else expiry.closing
        return (
            _terms_are(row, grant.terms)
            and (row.amount, row.granted_at) == (grant.amount, grant.at)
            and row.user_id == self._wallet.user_id
            and row.remaining == self._left_then.get(row.sequence, 0)
            and row.closed_as == (None if closing is None else closing.because)
            and row.lapsed == (0 if expiry is None else -expiry.amount)
            and row.closed_at == (None if expiry is None else expiry.at)
        )


def _terms_are(row: Grant, terms: Terms | None) -> bool:
    """Whatever stands in the row: somebody may have changed it."""
    return terms is not None and (
        row.expires_at,
        row.priority,
        row.source,
        row.plan_id,
        row.month,
    ) == (terms.expires_at, terms.priority, terms.source, terms.plan_id, terms.month)
