"""Views that operators keep under a name, as the API and the pages show them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app.admin.desk import Desk
from app.saved_views import commands, store
from app.saved_views.commands import Owner, ViewChange, ViewNotFound, ViewSpec
from app.saved_views.models import SavedView

_ID_MAX = 2**63 - 1


class ViewQuery(BaseModel):
    """Of which page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: Annotated[str | None, Field(pattern=r"^[a-z][a-z_-]{0,39}$")] = None


class ViewOut(BaseModel):
    """A page with its filters under a name."""

    id: int
    page: str
    name: str
    query: str = Field(description="What follows the `?` of the page's address.")
    is_shared: bool
    owner: str
    is_own: bool = Field(description="Whether it is the caller's, who alone changes it.")

    @classmethod
    def of(cls, view: SavedView, owner: Owner) -> Self:
        return cls(
            id=view.id,
            page=view.page,
            name=view.name,
            query=view.query,
            is_shared=view.is_shared,
            owner=view.operator_name,
            is_own=view.operator_name == owner.name,
        )


class ViewList(BaseModel):
    """Saved views: nobody has many."""

    items: list[ViewOut]


def index(desk: Desk, query: ViewQuery) -> ViewList:
    owner = _owner(desk)
    with desk.db.read() as session:
        found = store.list_visible(session, owner.name, page=query.page)
        return ViewList(items=[ViewOut.of(view, owner) for view in found])


def show(desk: Desk, view_id: int) -> ViewOut:
    owner = _owner(desk)
    with desk.db.read() as session:
        view = commands.get_visible(session, _checked(view_id), owner=owner)
        return ViewOut.of(view, owner)


def create(desk: Desk, spec: ViewSpec) -> ViewOut:
    owner = _owner(desk)
    with desk.db.begin() as session:
        view = commands.create(session, spec, owner=owner, now=desk.now)
        return ViewOut.of(view, owner)


def update(desk: Desk, view_id: int, change: ViewChange) -> ViewOut:
    owner = _owner(desk)
    with desk.db.begin() as session:
        view = commands.update(session, _checked(view_id), change, owner=owner, now=desk.now)
        return ViewOut.of(view, owner)


def delete(desk: Desk, view_id: int) -> None:
    with desk.db.begin() as session:
        commands.delete(session, _checked(view_id), owner=_owner(desk))


def _owner(desk: Desk) -> Owner:
    return Owner(desk.caller.name, desk.caller.operator_id)


def _checked(view_id: int) -> int:
    if view_id > _ID_MAX:
        raise ViewNotFound(f"there is no saved view {view_id}")
    return view_id
