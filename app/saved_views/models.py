"""Views of the console's pages that operators keep under a name."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, RowId, UtcDateTime


class SavedView(Base):
    """One page with its filters, as a query string."""

    __tablename__ = "saved_views"
    __table_args__ = (sa.UniqueConstraint("operator_name", "page", "name"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    operator_id: Mapped[int | None] = mapped_column(RowId)
    operator_name: Mapped[str] = mapped_column(sa.String(200))
    """Whose it is."""
    page: Mapped[str] = mapped_column(sa.String(40), index=True)
    """Such as ``usage``."""
    name: Mapped[str] = mapped_column(sa.String(120))
    query: Mapped[str] = mapped_column(sa.Text)
    """What follows the ``?`` of the page's address."""
    is_shared: Mapped[bool]
    """Whether the other operators see it as well; only its owner changes it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
