"""When what is old was last looked for, and how much was removed."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class Pruning(Base):
    """One kind of data, as the periodic jobs left it."""

    __tablename__ = "prunings"

    kind: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    """Of ``retention.kinds``."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed: Mapped[int] = mapped_column(sa.BigInteger)
    """Rows that went then."""
    removed_ever: Mapped[int] = mapped_column(sa.BigInteger)
    last_removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When anything went; None: never."""
