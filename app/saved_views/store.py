"""Every SQL statement on saved views."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.saved_views.models import SavedView


def find(session: Session, view_id: int) -> SavedView | None:
    return session.get(SavedView, view_id)


def find_named(session: Session, operator_name: str, page: str, name: str) -> SavedView | None:
    return session.scalar(
        sa.select(SavedView).where(
            SavedView.operator_name == operator_name,
            SavedView.page == page,
            SavedView.name == name,
        )
    )


def list_visible(
    session: Session, operator_name: str, *, page: str | None = None
) -> Sequence[SavedView]:
    """The operator's own and the shared ones, by page and name; own ones first of one name."""
    statement = (
        sa.select(SavedView)
        .where(sa.or_(SavedView.operator_name == operator_name, SavedView.is_shared))
        .order_by(
            SavedView.page,
            SavedView.name,
            sa.case((SavedView.operator_name == operator_name, 0), else_=1),
            SavedView.id,
        )
    )
    if page is not None:
        statement = statement.where(SavedView.page == page)
    return session.scalars(statement).all()


def count_of(session: Session, operator_name: str) -> int:
    counted = (
        sa.select(sa.func.count())
        .select_from(SavedView)
        .where(SavedView.operator_name == operator_name)
    )
    return session.scalar(counted) or 0


def delete(session: Session, view: SavedView) -> None:
    session.delete(view)
    session.flush()
