"""Every SQL statement on links and their keys."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import UtcDateTime
from app.errors import NotFound
from app.ids import among
from app.links.models import Link, LinkKey
from app.upserts import insert_ignoring

_calls = sa.table(
    "link_calls", sa.column("link_id", sa.BigInteger), sa.column("last_at", UtcDateTime)
)
"""Only to put lists in order: what was seen of FastGPT belongs to another domain."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class LinkNotFound(NotFound):
    """No link has this name or key."""

    code = "link_not_found"


def find_by_id(session: Session, link_id: int) -> Link | None:
    return session.get(Link, link_id)


def find_by_name(session: Session, name: str) -> Link | None:
    return session.scalar(sa.select(Link).where(Link.name == name))


def find_by_key_digest(session: Session, digest: str) -> tuple[Link, datetime | None] | None:
    """The link and when that key stops working; expired keys are found too."""
    found = session.execute(
        sa.select(Link, LinkKey.expires_at)
        .join(LinkKey, LinkKey.link_id == Link.id)
        .where(LinkKey.digest == digest)
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def ids_by_key_digest(session: Session, digests: Collection[str]) -> dict[str, int]:
    """The links of these keys, expired ones included; those of nobody are left out."""
    if not digests:
        return {}
    rows = session.execute(
        sa.select(LinkKey.digest, LinkKey.link_id).where(LinkKey.digest.in_(digests))
    )
    return {digest: link_id for digest, link_id in rows}  # noqa: C416 - dict() loses the types


def get_by_reference(session: Session, reference: str, digest: str) -> Link:
    """The link whose name or key a person typed; ``digest`` is that of ``reference`` as a key.

    Raises:
        LinkNotFound: there is none.
    """
    by_key = find_by_key_digest(session, digest)
    link = by_key[0] if by_key else find_by_name(session, reference)
    if link is None:
        raise LinkNotFound("no link has this name or key; `shareauth links list` shows them")
    return link


def list_all(session: Session) -> Sequence[Link]:
    """All links, by name."""
    return session.scalars(sa.select(Link).order_by(Link.name)).all()


def list_names(session: Session) -> list[tuple[int, str]]:
    """Ids and names of all links, by name."""
    rows = session.execute(sa.select(Link.id, Link.name).order_by(Link.name))
    return [(row.id, row.name) for row in rows]


def list_page(
    session: Session,
    *,
    after: str | None = None,
    limit: int,
    status: str | None = None,
    search: str | None = None,
    ids: Collection[int] | None = None,
) -> Sequence[Link]:
    """Links by name, those after the name ``after``.

    ``search`` is a part of the name, of any case; ``ids`` are the only ones that may be among them.
    """
    query = sa.select(Link).where(*_conditions(status, search, ids)).order_by(Link.name)
    if after is not None:
        query = query.where(Link.name > after)
    return session.scalars(query.limit(limit)).all()


def list_by_last_call(
    session: Session,
    *,
    after_id: int | None = None,
    limit: int,
    status: str | None = None,
    search: str | None = None,
    ids: Collection[int] | None = None,
) -> Sequence[Link]:
    """Those that FastGPT called last first, those it never called at the end; else as above."""
    last_at = (
        sa.select(sa.func.coalesce(sa.func.max(_calls.c.last_at), sa.literal(_NEVER, UtcDateTime)))
        .where(_calls.c.link_id == Link.id)
        .scalar_subquery()
    )
    query = sa.select(Link).where(*_conditions(status, search, ids))
    if after_id is not None:
        reached = session.scalar(sa.select(last_at).where(Link.id == after_id)) or _NEVER
        place = sa.tuple_(last_at, Link.id)
        query = query.where(place < sa.tuple_(sa.literal(reached, UtcDateTime), after_id))
    return session.scalars(query.order_by(last_at.desc(), Link.id.desc()).limit(limit)).all()


def _conditions(
    status: str | None, search: str | None, ids: Collection[int] | None
) -> Iterator[sa.ColumnElement[bool]]:
    if status is not None:
        yield Link.status == status
    if search is not None:
        yield sa.func.lower(Link.name).contains(search.lower(), autoescape=True)
    if ids is not None:
        yield among(Link.id, ids)


def names(session: Session, ids: Collection[int]) -> dict[int, str]:
    """What the links of these ids are called."""
    rows = session.execute(sa.select(Link.id, Link.name).where(among(Link.id, ids)))
    return {row.id: row.name for row in rows}


def list_live_keys_of(
    session: Session, link_ids: Collection[int], now: datetime
) -> dict[int, list[LinkKey]]:
    """The keys that work now, newest first, of several links."""
    found: dict[int, list[LinkKey]] = {link_id: [] for link_id in link_ids}
    rows = session.scalars(
        sa.select(LinkKey)
        .where(LinkKey.link_id.in_(link_ids))
        .where(sa.or_(LinkKey.expires_at.is_(None), LinkKey.expires_at > now))
        .order_by(LinkKey.id.desc())
    )
    for key in rows:
        found[key.link_id].append(key)
    return found


def list_live_keys(session: Session, link_id: int, now: datetime) -> Sequence[LinkKey]:
    """The keys that work now, newest first."""
    return session.scalars(
        sa.select(LinkKey)
        .where(LinkKey.link_id == link_id)
        .where(sa.or_(LinkKey.expires_at.is_(None), LinkKey.expires_at > now))
        .order_by(LinkKey.id.desc())
    ).all()


def insert_if_new(session: Session, row: dict[str, object]) -> bool:
    """Whether the row went in; False when a link of that name exists."""
    return insert_ignoring(Link, session, [row]) == 1


def add_key(session: Session, *, link_id: int, digest: str, sealed: str, now: datetime) -> None:
    session.add(LinkKey(link_id=link_id, digest=digest, sealed=sealed, created_at=now))
    session.flush()
