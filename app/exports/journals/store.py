"""Statements that read who was refused, and who changed what, to be exported."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.exports.columns import Batch
from app.exports.names.store import Names
from app.exports.scope import Scope
from app.exports.walk.store import (
    Key,
    Page,
    Pieces,
    Walk,
    canonical,
    iso_text,
    json_text,
    key_behind,
)
from app.sightings.models import Refusal


def walk_refusals(scope: Scope) -> Walk:
    return Walk(Refusal.at, Refusal.id, upto=scope.row_id)


def walk_audit(scope: Scope) -> Walk:
    return Walk(AuditEntry.at, AuditEntry.id, upto=scope.row_id)


def read_refusals(session: Session, scope: Scope, key: Key, limit: int, names: Names) -> Page:
    """Rows of the table ``refusals``."""
    chosen = sa.select(
        Refusal.id,
        iso_text(session, Refusal.at),
        Refusal.reference,
        Refusal.hook,
        Refusal.code,
        Refusal.message,
        Refusal.link_id,
        Refusal.uid,
        Refusal.issuer,
        Refusal.subject,
        Refusal.address,
        Refusal.called,
    )
    if scope.user_id is not None:
        chosen = chosen.where(Refusal.user_id == scope.user_id)
    if scope.link_id is not None:
        chosen = chosen.where(Refusal.link_id == scope.link_id)
    if scope.link_ids is not None:
        chosen = chosen.where(Refusal.link_id.in_(sorted(scope.link_ids)))
    if scope.kind is not None:
        chosen = chosen.where(Refusal.code == scope.kind)
    last, count = None, 0
    with Pieces(session, walk_refusals(scope).page(chosen, scope.period, key, limit)) as page:
        for ids, at, references, hooks, codes, messages, links, *told in page:
            last, count = (at[-1], ids[-1]), count + len(ids)
            (link_names,) = names.links.columns(page.ask, links)
            yield Batch((references, at, hooks, codes, messages, link_names, *told, ids))
    return key_behind(key, last, is_full=count == limit)


def read_audit(session: Session, scope: Scope, key: Key, limit: int) -> Page:
    """Rows of the table ``audit``."""
    chosen = sa.select(
        AuditEntry.id,
        iso_text(session, AuditEntry.at),
        AuditEntry.actor,
        AuditEntry.source,
        AuditEntry.address,
        AuditEntry.action,
        AuditEntry.object_type,
        AuditEntry.object_id,
        json_text(AuditEntry.before),
        json_text(AuditEntry.after),
        AuditEntry.reason,
    )
    if scope.kind is not None:
        chosen = chosen.where(AuditEntry.object_type == scope.kind)
    last, count = None, 0
    with Pieces(session, walk_audit(scope).page(chosen, scope.period, key, limit)) as page:
        for ids, at, *told, before, after, reasons in page:
            last, count = (at[-1], ids[-1]), count + len(ids)
            yield Batch((ids, at, *told, canonical(before), canonical(after), reasons))
    return key_behind(key, last, is_full=count == limit)
