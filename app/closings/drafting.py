"""Statements of a stretch of wallets, or of one department, ready to be written or compared."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.closings import content, store
from app.closings.content import Figures, Frame, Member, number_of
from app.closings.credit.replay import grants_of
from app.closings.granted import total
from app.closings.models import FrozenStatement
from app.closings.store import Previous
from app.closings.sums import store as sums
from app.closings.sums.store import Stretch, WalletRow
from app.periods import Period

DEPARTMENT_MAX = 200


@dataclass(frozen=True, slots=True)
class Quest:
    """One closing: its period, the wallets that came late in it, the month before it, if any."""

    month: int
    period: Period
    frame: Frame
    late: frozenset[int]
    previous_month: int | None

    @property
    def upto(self) -> int:
        return self.frame.upto


@dataclass(frozen=True, slots=True)
class WalletFigures:
    """A wallet that gets a statement, and what it says."""

    wallet: WalletRow
    figures: Figures
    head: content.Head
    previous: str | None

    def content(self, frame: Frame, number: str) -> bytes:
        return content.of_wallet(
            frame,
            number,
            self.wallet.name,
            self.figures,
            head=self.head,
            previous=self.previous,
        )


def wallets_of(
    session: Session, quest: Quest, wallets: Sequence[WalletRow], *, after: int
) -> list[WalletFigures]:
    """The wallets with any balance or movement, of those that follow ``after``."""
    stretch = Stretch(after, wallets[-1].id)
    moved = sums.figures(session, stretch, quest.period, quest.late)
    openings = _openings(session, quest, stretch, wallets)
    heads = sums.heads(session, stretch, quest.upto)
    granted = grants_of(session, stretch, quest.period, quest.upto)
    found = []
    for wallet in wallets:
        figures = moved.get(wallet.id, Figures())
        before = openings.get(wallet.id)
        figures.opening = 0 if before is None else before.closing
        figures.grants = granted.get(wallet.id, [])
        figures.credit = total(figures.grants)
        if not figures.is_empty:
            number = None if before is None else before.number
            found.append(WalletFigures(wallet, figures, heads[wallet.id], number or None))
    return found


def department_of(wallet: WalletRow, attribute: str | None) -> str | None:
    """The department of the wallet's user, by the attribute of that name."""
    said = wallet.attributes.get(attribute) if attribute else None
    if isinstance(said, bool) or not isinstance(said, str | int):
        return None
    return str(said).strip()[:DEPARTMENT_MAX] or None


def row_of(
    quest: Quest,
    ordinal: int,
    said: bytes,
    figures: Figures,
    **more: Any,  # noqa: ANN401 - columns
) -> dict[str, Any]:
    """The columns of a statement."""
    return {
        "year": quest.month // 100,
        "ordinal": ordinal,
        "month": quest.month,
        "currency": quest.frame.currency,
        "opening": figures.opening,
        "charged": figures.charged,
        "closing": figures.closing,
        "hash": content.hash_of(said),
        "content": said.decode("ascii"),
        **more,
    }


def department(members: Iterable[FrozenStatement]) -> tuple[Figures, list[Member]]:
    """A department's figures, and the lines of its members."""
    whole, listed = Figures(), []
    for one in members:
        said = content.read(one.content)
        whole.add(content.figures_of(said))
        number = number_of(one.year, one.ordinal)
        listed.append(Member(number, said["wallet"], one.opening, one.charged, one.closing))
    return whole, listed


def stretches(session: Session, *, after: int = 0) -> Iterator[tuple[int, list[WalletRow]]]:
    """All wallets, some at a time, each time with the id they follow."""
    while wallets := sums.list_wallets(session, after=after):
        yield after, wallets
        after = wallets[-1].id


def _openings(
    session: Session, quest: Quest, stretch: Stretch, wallets: Collection[WalletRow]
) -> Mapping[int, Previous]:
    if quest.previous_month is None:
        amounts = sums.openings(session, stretch, quest.period)
        return {wallet: Previous("", amount) for wallet, amount in amounts.items()}
    before = store.previous_of(session, quest.previous_month, [one.user_id for one in wallets])
    return {one.id: before[one.user_id] for one in wallets if one.user_id in before}
