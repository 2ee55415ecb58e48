"""One number that grows with every change the hooks must notice at once.

Each worker keeps links, users, plans, issuers and tokens in memory. A command that changes one of
them bumps this number in its own transaction; the surface then announces it through the gate, and
a worker whose memory is older forgets it before it answers.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, RowId

LEAP = 1_000_000
"""More changes than anybody makes between a backup and its restore."""


class ConfigRevision(Base):
    __tablename__ = "config_revision"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    number: Mapped[int] = mapped_column(sa.BigInteger)


def bump(session: Session) -> None:
    """Make every worker's memory stale once this transaction commits."""
    grown = (
        sa.update(ConfigRevision)
        .where(ConfigRevision.id == 1)
        .values(number=ConfigRevision.number + 1)
    )
    if session.execute(grown).rowcount == 0:  # type: ignore[attr-defined]
        session.add(ConfigRevision(id=1, number=1))
        session.flush()


def leap(session: Session, *, above: int) -> int:
    """Make every memory stale, also that of changes which a restored database never heard of.

    ``above`` is the highest number known to have been announced. How many followed it nobody
    knows any more, so the new one is far beyond. Returns it.
    """
    bump(session)
    number = max(current(session), above) + LEAP
    session.execute(sa.update(ConfigRevision).values(number=number))
    return number


def current(session: Session) -> int:
    """The number now; zero before the first change."""
    return session.scalar(sa.select(ConfigRevision.number)) or 0
