"""Names that stand behind ids, looked up when they are first met and kept while an export is read.

A join would look them up for each row: that is most of what reading a page costs.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.walk.store import covering, fetch
from app.ledger.models import Account
from app.links.models import Link
from app.plans.models import Plan
from app.users.models import User

KEPT = 50_000
"""Of each kind; with more, they are forgotten and met anew: some 20 MB of users."""


class Known:
    """Some columns of a table by its id; of no id, nothing."""

    def __init__(self, id_column: Any, *columns: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        self._id = id_column
        self._chosen = sa.select(id_column, *columns)
        # Of each column: tuples of all would be something for the garbage collector to go through.
        self._found: list[dict[int | None, str | None]] = [{None: None} for _ in columns]

    def columns(self, session: Session, ids: Sequence[int | None]) -> list[list[Any]]:
        """The columns, for each of the ids."""
        try:  # most pages have nobody new
            return self._known(ids)
        except KeyError:
            self._meet(session, set(ids))
            return self._known(ids)

    def _known(self, ids: Sequence[int | None]) -> list[list[Any]]:
        return [list(map(known.__getitem__, ids)) for known in self._found]

    def _meet(self, session: Session, ids: set[int | None]) -> None:
        wanted = [row_id for row_id in ids if row_id is not None]
        # Not by the difference of sets, which would go through all that are known.
        missing = [row_id for row_id in wanted if row_id not in self._found[0]]
        if len(self._found[0]) + len(missing) > KEPT:
            self._found = [{None: None} for _ in self._found]
            missing = wanted
        chosen = self._chosen.where(covering(self._id, missing))
        found, *columns = fetch(session, chosen)
        for known, values in zip(self._found, columns, strict=True):
            known.update(dict.fromkeys(missing))
            known.update(zip(found, values, strict=True))


class Names:
    """Of one export."""

    def __init__(self) -> None:
        self.users = Known(User.id, User.subject, User.name, User.uid)
        self.links = Known(Link.id, Link.name)
        self.plans = Known(Plan.id, Plan.name)
        self.accounts = Known(Account.id, Account.name, Account.currency)
