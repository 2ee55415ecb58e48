"""What operators do to their saved views.

No audit rows: a view changes nothing but what its owner sees first. Others' views look as if they
were not there, unless they are shared; then they can be read and not changed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.saved_views import store
from app.saved_views.models import SavedView

VIEWS_MAX = 200
"""Of one operator."""

Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ViewNotFound(NotFound):
    """There is no such view, or it is somebody else's and not shared."""

    code = "saved_view_not_found"


class ViewExists(Conflict):
    """The operator has a view of this name on this page."""

    code = "saved_view_exists"


class TooManyViews(Conflict):
    """The operator has as many views as one may."""

    code = "saved_views_full"


class NotYours(Conflict):
    """The view is shared by somebody else: it can be read, and saved under an own name."""

    code = "saved_view_not_yours"


@dataclass(frozen=True, slots=True)
class Owner:
    """The operator who asks; ``id`` is None for who has no account, such as the command line."""

    name: str
    id: int | None = None


class ViewSpec(BaseModel):
    """A view to keep. ``query`` is what follows the ``?``, encoded as in the address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: Annotated[str, Field(pattern=r"^[a-z][a-z_-]{0,39}$")]
    name: Name
    query: Annotated[str, Field(max_length=4000, pattern=r"^[!-~]*$")]
    is_shared: Annotated[bool, Field(strict=True)] = False


class ViewChange(BaseModel):
    """What to change; only what is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = None
    query: Annotated[str, Field(max_length=4000, pattern=r"^[!-~]*$")] | None = None
    is_shared: Annotated[bool | None, Field(strict=True)] = None


def create(session: Session, spec: ViewSpec, *, owner: Owner, now: datetime) -> SavedView:
    """Keep a view.

    Raises:
        ViewExists: the owner has one of that name on that page.
        TooManyViews: the owner has ``VIEWS_MAX``.
    """
    if store.count_of(session, owner.name) >= VIEWS_MAX:
        raise TooManyViews(f"nobody keeps more than {VIEWS_MAX} views: delete some first")
    view = SavedView(
        operator_id=owner.id,
        operator_name=owner.name,
        **spec.model_dump(),
        created_at=now,
        changed_at=now,
    )
    _refuse_taken(session, view, spec.name)
    session.add(view)
    _flush(session, spec.name)
    return view


def update(
    session: Session, view_id: int, change: ViewChange, *, owner: Owner, now: datetime
) -> SavedView:
    """Rename a view, share it, or replace its query.

    Raises:
        ViewNotFound, NotYours: it is not the owner's.
        ViewExists: the name is taken.
    """
    view = get_own(session, view_id, owner=owner)
    if change.name is not None and change.name != view.name:
        _refuse_taken(session, view, change.name)
    for field in sorted(change.model_fields_set):
        if (value := getattr(change, field)) is not None:
            setattr(view, field, value)
    view.changed_at = now
    _flush(session, view.name)
    return view


def delete(session: Session, view_id: int, *, owner: Owner) -> None:
    """Forget a view.

    Raises:
        ViewNotFound, NotYours: it is not the owner's.
    """
    store.delete(session, get_own(session, view_id, owner=owner))


def get_visible(session: Session, view_id: int, *, owner: Owner) -> SavedView:
    """A view of the owner's, or one that is shared.

    Raises:
        ViewNotFound: neither.
    """
    view = store.find(session, view_id)
    if view is None or not (view.is_shared or view.operator_name == owner.name):
        raise ViewNotFound(f"there is no saved view {view_id}")
    return view


def get_own(session: Session, view_id: int, *, owner: Owner) -> SavedView:
    """A view that the owner may change.

    Raises:
        ViewNotFound, NotYours: it is not the owner's.
    """
    view = get_visible(session, view_id, owner=owner)
    if view.operator_name != owner.name:
        raise NotYours(f"the view {view.name!r} is {view.operator_name}'s: save it as your own")
    return view


def describe(view: SavedView) -> dict[str, Any]:
    """The view as JSON."""
    return {
        "id": view.id,
        "page": view.page,
        "name": view.name,
        "query": view.query,
        "is_shared": view.is_shared,
        "owner": view.operator_name,
        "changed_at": view.changed_at.isoformat(),
    }


def _refuse_taken(session: Session, view: SavedView, name: str) -> None:
    if store.find_named(session, view.operator_name, view.page, name) is not None:
        raise _taken(name)


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:  # somebody took the name at the same moment
        raise _taken(name) from error


def _taken(name: str) -> ViewExists:
    return ViewExists(f"a view of this page is called {name!r} already")
