"""Names that stand behind ids, looked up when they are first met and kept while an export is read.

A join would look them up for each row: that is most of what reading a page costs.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.exports.columns import Row, columns_of
from app.exports.walk.store import among, fetch
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
        self._nothing: Row = (None,) * len(columns)
        self._found: dict[int | None, Row] = {}

    def columns(self, session: Session, ids: Sequence[int | None]) -> list[list[Any]]:
        """The columns, for each of the ids, of which there is at least one."""
        wanted = {row_id for row_id in set(ids) if row_id is not None}
        missing = wanted - self._found.keys()
        if len(self._found) + len(missing) > KEPT:
            self._found, missing = {}, wanted
        self._found[None] = self._nothing
        if missing:
            chosen = self._chosen.where(among(session, self._id, missing))
            found, *columns = fetch(session, chosen)
            self._found.update(zip(found, zip(*columns, strict=True), strict=True))
        return columns_of(list(map(self._found.__getitem__, ids)))


class Names:
    """Of one export."""

    def __init__(self) -> None:
        self.users = Known(User.id, User.subject, User.name, User.uid)
        self.links = Known(Link.id, Link.name)
        self.plans = Known(Plan.id, Plan.name)
        self.accounts = Known(Account.id, Account.name, Account.currency)
