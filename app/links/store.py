"""Every SQL statement on links and their keys."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import insert_ignoring
from app.errors import NotFound
from app.links.models import Link, LinkKey


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
    query = sa.select(Link).order_by(Link.name).limit(limit)
    if after is not None:
        query = query.where(Link.name > after)
    if status is not None:
        query = query.where(Link.status == status)
    if search is not None:
        query = query.where(sa.func.lower(Link.name).contains(search.lower(), autoescape=True))
    if ids is not None:
        query = query.where(Link.id.in_(ids))
    return session.scalars(query).all()


def names(session: Session, ids: Collection[int]) -> dict[int, str]:
    """What the links of these ids are called."""
    rows = session.execute(sa.select(Link.id, Link.name).where(Link.id.in_(ids)))
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
