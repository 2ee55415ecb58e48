"""One user's month, priced again in the order in which it was booked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.ledger.reratings import Price
from app.metering.rows import LineRow
from app.pricing import store as pricing_store
from app.pricing.standing import Rerated, standing_price
from app.rerating import priced, store
from app.rerating.allowance import Room, Standing
from app.rerating.priced import Event, Outcome
from app.rerating.selection import Month, Selection
from app.rerating.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Quest:
    """Which answers are priced again, and by what. ``run`` is the one that goes on, if any."""

    selection: Selection
    tariff: Tariff
    run: str | None = None


@dataclass(frozen=True, slots=True)
class _Books:
    """What the books hold of a page of events, beside the events."""

    lines: Mapping[int, Sequence[LineRow]]
    is_reversed: Mapping[int, bool]
    """By event; absent where it was never charged."""
    reratings: Mapping[str, Sequence[Rerated]]


class Walk:
    """The selected events of a month with ids above ``after``, a page at a time.

    Those up to ``after`` count as they stand. Lock the wallet, or read in one snapshot.
    """

    def __init__(self, session: Session, quest: Quest, month: Month, *, after: int = 0) -> None:
        self._session = session
        self._quest = quest
        self._month = month
        self._after = after
        self._room = Room(list(self._standing()) if quest.tariff.gives_allowances else ())

    def page(self) -> list[Outcome]:
        """The next of them; empty when there are no more."""
        page = store.list_selected(
            self._session, self._quest.selection, self._month, after=self._after
        )
        if not page:
            return []
        self._after = page[-1].id
        ids = [event.id for event in page]
        books = _Books(
            lines=store.load_lines(self._session, {one.id: one.received_at for one in page}),
            is_reversed=store.load_charges(self._session, ids),
            reratings=pricing_store.load_reratings(self._session, [one.reference for one in page]),
        )
        return [self._outcome(event, books) for event in page]

    def _standing(self) -> Iterator[Standing]:
        for page in store.iter_month(self._session, self._month):
            is_reversed = store.load_charges(self._session, [event.id for event in page])
            reratings = pricing_store.load_reratings(
                self._session, [event.reference for event in page]
            )
            for event in page:
                price = standing_price(event.charged, reratings[event.reference])
                if price.allowance and not self._is_priced_again(event, is_reversed):
                    allowance = self._quest.tariff.allowance_of(price.version)
                    yield Standing(event.id, price.allowance, allowance)

    def _is_priced_again(self, event: Event, is_reversed: Mapping[int, bool]) -> bool:
        return (
            event.id > self._after
            and not is_reversed.get(event.id, True)
            and self._quest.selection.takes(
                event_id=event.id, link_id=event.link_id, received_at=event.received_at
            )
        )

    def _outcome(self, event: Event, books: _Books) -> Outcome:
        booked = books.reratings[event.reference]
        run = self._quest.run
        current = standing_price(event.charged, booked)
        after, problem = self._price(event, books)
        if after is not None:
            self._room.take(after.allowance)
        elif problem not in _STANDING:
            self._room.take(current.allowance)
        return Outcome(
            event_id=event.id,
            reference=event.reference,
            month=self._month.key,
            booked=len(booked),
            earlier=sum(1 for one in booked if one.rerating.run != run),
            before=standing_price(event.charged, booked, but_run=run),
            current=current,
            after=after,
            problem=problem,
        )

    def _price(self, event: Event, books: _Books) -> tuple[Price | None, str | None]:
        is_reversed = books.is_reversed.get(event.id)
        if is_reversed is None:
            return None, "not_charged"
        if is_reversed:
            return None, "charge_reversed"
        lines = books.lines[event.id]
        if (problem := priced.missing(event, lines)) is not None:
            return None, problem
        version, book = self._quest.tariff.at(event.received_at)
        left = self._room.left(event.id, allowance=self._quest.tariff.allowance_of(version))
        try:
            price = priced.price_again(event, lines, version=version, book=book, left=left)
        except Invalid as error:
            return None, error.code
        return price, None


_STANDING = {"charge_reversed", "not_charged"}
"""What is left as it is for these reasons was known to the room from the beginning."""
