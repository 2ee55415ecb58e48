"""Pages of lists: an opaque cursor says where the next one begins."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.errors import Invalid, NotFound
from app.moments import Moment

T = TypeVar("T")
R = TypeVar("R")

LIMIT_MAX = 500
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class PageQuery(BaseModel):
    """What every list takes; lists add their filters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Annotated[str, Field(max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")] | None = None
    """``next`` of the page before."""
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 50


class Page(BaseModel, Generic[T]):
    """Some items, and the cursor of those that follow; no cursor: these were the last."""

    items: list[T]
    next: str | None = None


def cursor(*position: int | str) -> str:
    """Stands for the place behind the item with this position."""
    text = json.dumps(position, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(text: str | None, *kinds: type) -> tuple[int | str, ...] | None:
    """What a cursor stands for; None for the beginning.

    Raises:
        Invalid: it was not made by ``cursor`` for such a list (``cursor_invalid``).
    """
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        parts = None
    is_ours = isinstance(parts, list) and len(parts) == len(kinds)
    if not is_ours or not all(type(part) is kind for part, kind in zip(parts, kinds, strict=True)):
        raise Invalid("this cursor is not one of this list", code="cursor_invalid")
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in parts):
        raise Invalid("this cursor is not one of this list", code="cursor_invalid")
    return tuple(parts)


def moment(part: int | str) -> datetime:
    """The time in a cursor's position, written there by ``isoformat()``.

    Raises:
        Invalid: it is none (``cursor_invalid``).
    """
    try:
        return _MOMENT.validate_python(part if isinstance(part, str) else None)
    except ValueError:
        raise Invalid("this cursor is not one of this list", code="cursor_invalid") from None


def check_number(number: int, code: str) -> None:
    """Raises: NotFound, when nothing can have this number, for no column holds it."""
    if not 0 <= number < 2**63:
        raise NotFound("there is nothing of this number", code=code)


def page(
    rows: Sequence[R], limit: int, *, shown: Callable[[R], T], at: Callable[[R], str]
) -> Page[T]:
    """A page of at most ``limit`` items made of one row more than that, if there is one."""
    items = rows[:limit]
    following = at(items[-1]) if len(rows) > limit else None
    return Page(items=[shown(row) for row in items], next=following)
