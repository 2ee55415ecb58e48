"""Names that stand behind ids, looked up when they are first met and kept while an export is read.

A join would look them up for each row: that is most of what reading a page costs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from app.exports.walk.store import Columns, Statement, covering
from app.ledger.models import Account
from app.links.models import Link
from app.plans.models import Plan
from app.users.models import User

KEPT = 100_000
"""Of each kind; with more, they are forgotten and met anew: some 40 MB of users."""
SHARE = 8
"""When one in so many is known the others are met, too, at once: one by one they cost ten times."""

Ask = Callable[[Statement], Columns]
"""How to look something up, which gives columns."""


class Known:
    """Some columns of a table by its id; of no id, nothing."""

    def __init__(self, id_column: Any, *columns: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        self._id = id_column
        self._chosen = sa.select(id_column, *columns)
        # Of each column: tuples of all would be something for the garbage collector to go through.
        self._found: list[dict[int | None, str | None]] = [{None: None} for _ in columns]
        self._top: int | None = None
        """The highest id there is: about as many there are."""
        self._are_all_met = False

    def columns(self, ask: Ask, ids: Sequence[int | None]) -> list[list[Any]]:
        """The columns, for each of the ids."""
        try:  # most pages have nobody new
            return self._known(ids)
        except KeyError:
            self._meet(ask, set(ids))
            return self._known(ids)

    def _known(self, ids: Sequence[int | None]) -> list[list[Any]]:
        return [list(map(known.__getitem__, ids)) for known in self._found]

    def _meet(self, ask: Ask, ids: set[int | None]) -> None:
        self._meet_all(ask)
        wanted = [row_id for row_id in ids if row_id is not None]
        # Not by the difference of sets, which would go through all that are known.
        missing = [row_id for row_id in wanted if row_id not in self._found[0]]
        if len(self._found[0]) + len(missing) > KEPT:
            self._found = [{None: None} for _ in self._found]
            missing = wanted
        if missing:
            for known in self._found:
                known.update(dict.fromkeys(missing))
            self._learn(ask(self._chosen.where(covering(self._id, missing))))

    def _meet_all(self, ask: Ask) -> None:
        if self._are_all_met:
            return
        if self._top is None:
            ((top,),) = ask(sa.select(sa.func.max(self._id)))
            self._top = top or 0
        if self._top < KEPT and len(self._found[0]) * SHARE > self._top:
            self._learn(ask(self._chosen))
            self._are_all_met = True

    def _learn(self, columns: Columns) -> None:
        ids, *told = columns
        for known, values in zip(self._found, told, strict=True):
            known.update(zip(ids, values, strict=True))


class Names:
    """Of one export."""

    def __init__(self) -> None:
        self.users = Known(User.id, User.subject, User.name, User.uid)
        self.links = Known(Link.id, Link.name)
        self.plans = Known(Plan.id, Plan.name)
        self.accounts = Known(Account.id, Account.name, Account.currency)
