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
        self._found: list[dict[int | None, str | None]] = [{} for _ in columns]

    def columns(self, session: Session, ids: Sequence[int | None]) -> list[list[Any]]:
        """The columns, for each of the ids."""
        wanted = {row_id for row_id in set(ids) if row_id is not None}
        missing = wanted - self._found[0].keys()
        if len(self._found[0]) + len(missing) > KEPT:
            missing = wanted
            for known in self._found:
                known.clear()
        if missing:
            chosen = self._chosen.where(covering(self._id, missing))
            found, *columns = fetch(session, chosen)
            for known, values in zip(self._found, columns, strict=True):
                known.update(zip(found, values, strict=True))
        return [list(map(known.get, ids)) for known in self._found]


class Names:
    """Of one export."""

    def __init__(self) -> None:
        self.users = Known(User.id, User.subject, User.name, User.uid)
        self.links = Known(Link.id, Link.name)
        self.plans = Known(Plan.id, Plan.name)
        self.accounts = Known(Account.id, Account.name, Account.currency)
