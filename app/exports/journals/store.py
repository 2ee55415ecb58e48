"""Statements that read who was refused, and who changed what, to be exported."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.exports.columns import Batch
from app.exports.scope import Scope
from app.exports.walk.store import Key, Page, Walk, canonical, fetch, iso_text, json_text, next_key
from app.links.models import Link
from app.sightings.models import Refusal


def walk_refusals(scope: Scope) -> Walk:
    return Walk(Refusal.at, Refusal.id, upto=scope.row_id)


def walk_audit(scope: Scope) -> Walk:
    return Walk(AuditEntry.at, AuditEntry.id, upto=scope.row_id)


def read_refusals(session: Session, scope: Scope, key: Key, limit: int) -> Page:
    """Rows of the table ``refusals``."""
    chosen = sa.select(
        Refusal.id,
        iso_text(session, Refusal.at),
        Refusal.reference,
        Refusal.hook,
        Refusal.code,
        Refusal.message,
        Link.name,
        Refusal.uid,
        Refusal.issuer,
        Refusal.subject,
        Refusal.address,
        Refusal.called,
    ).outerjoin(Link, Link.id == Refusal.link_id)
    if scope.user_id is not None:
        chosen = chosen.where(Refusal.user_id == scope.user_id)
    if scope.link_id is not None:
        chosen = chosen.where(Refusal.link_id == scope.link_id)
    if scope.link_ids is not None:
        chosen = chosen.where(Refusal.link_id.in_(sorted(scope.link_ids)))
    if scope.kind is not None:
        chosen = chosen.where(Refusal.code == scope.kind)
    found = fetch(session, walk_refusals(scope).page(chosen, scope.period, key, limit))
    ids, at, references, *told = found
    yield Batch((references, at, *told, ids))
    return next_key(key, at, ids, limit)


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
    found = fetch(session, walk_audit(scope).page(chosen, scope.period, key, limit))
    *told, before, after, reasons = found
    yield Batch((*told, list(map(canonical, before)), list(map(canonical, after)), reasons))
    return next_key(key, found[1], found[0], limit)
