"""Every SQL statement that takes a person out of what is no book, and finds who was taken out."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.alerts.models import Alert, Delivery
from app.audit.models import AuditEntry
from app.closings.models import FrozenStatement, StatementMail
from app.deliveries.models import Delivery as FileDelivery
from app.ids import among
from app.jobs.models import BackgroundJob
from app.jobs.store import FINISHED
from app.ledger.credit.models import Grant
from app.ledger.models import Account
from app.metering.models import UsageDay, UsageEvent, UsageSegment
from app.metering.segments.document import ERASED, erased, erased_digest
from app.saved_views.models import SavedView
from app.schedules.models import Schedule, ScheduleRun
from app.sightings.models import Refusal
from app.tokens.models import Token, VisitorSession
from app.users.models import User

Replace = Callable[[Any], Any]
"""Gives JSON back with every text in it that is exactly the person's as their pseudonym."""

FORGOTTEN_AT_ONCE = 500


def forget_in_refusals(session: Session, user_id: int, uid: str) -> int:
    """Take out whatever says who and where they were; when, why and on which link stays."""
    theirs = (Refusal.uid == uid) | (Refusal.user_id == user_id)
    done = session.execute(
        sa.update(Refusal)
        .where(theirs)
        .values(subject=None, address="", called="", message="", details={})
    )
    return int(getattr(done, "rowcount", 0))


def forget_in_alerts(session: Session, user_id: int, pseudonym: str, replace: Replace) -> int:
    """Name the user by the pseudonym in alerts about them, and in the messages made of those."""
    about = (Alert.subject == f"user:{user_id}") | Alert.subject.startswith(f"user:{user_id}/")
    alerts = session.scalars(sa.select(Alert).where(about)).all()
    for alert in alerts:
        alert.subject_name = pseudonym
        alert.facts = replace(alert.facts)
    ids = [alert.id for alert in alerts]
    messages = sa.select(Delivery).where(
        Delivery.alert_id.in_(ids) | (Delivery.alert_id.is_(None) & (Delivery.event == "digest"))
    )
    changed = len(alerts)
    for message in session.scalars(messages):
        changed += _put(message, "payload", replace(message.payload))
    session.flush()
    return changed


def forget_in_jobs(session: Session, replace: Replace) -> int:
    """Those that are over: one that runs still needs to know whom it is about."""
    changed = 0
    for job in session.scalars(sa.select(BackgroundJob).where(BackgroundJob.state.in_(FINISHED))):
        parts = [_put(job, name, replace(getattr(job, name))) for name in _JOB_PARTS]
        changed += any(parts)
    session.flush()
    return changed


def forget_in_views(session: Session, replace: Replace) -> int:
    changed = 0
    for view in session.scalars(sa.select(SavedView)):
        asked = parse_qsl(view.query, keep_blank_values=True)
        meant = [(name, replace(value)) for name, value in asked]
        if meant != asked:
            view.query = urlencode(meant)
            changed += 1
    session.flush()
    return changed


def forget_in_deliveries(session: Session, words: Collection[str], replace: Replace) -> int:
    """Reports that were sent, or are to be: their text goes where it has one of the words.

    Files that lie somewhere else are out of reach.
    """
    changed = 0
    for row in session.scalars(sa.select(FileDelivery)):
        is_named = any(word in row.summary or word in row.summary_html for word in words)
        parts = [_put(row, "manifest", replace(row.manifest))]
        if is_named:
            parts += [_put(row, "summary", ""), _put(row, "summary_html", "")]
        changed += any(parts)
    session.flush()
    return changed


def forget_in_schedules(session: Session, replace: Replace) -> int:
    """What is made regularly about them, and every time it was."""
    changed = 0
    for schedule in session.scalars(sa.select(Schedule)):
        changed += _put(schedule, "parameters", replace(schedule.parameters))
    for run in session.scalars(sa.select(ScheduleRun).where(ScheduleRun.manifest.is_not(None))):
        changed += _put(run, "manifest", replace(run.manifest))
    session.flush()
    return changed


def forget_in_segments(session: Session, user_id: int) -> int:
    """What the user was when they asked, where nobody who is still known was the same then.

    Such a segment keeps its number and its answers, and loses its values: sums by them stay what
    they were, under a pseudonym that all of the erased share.
    """
    changed = 0
    for row in _segments_of(session, user_id):
        still_known = (
            sa.select(User.id)
            .join(UsageEvent, UsageEvent.user_id == User.id)
            .where(UsageEvent.segment_id == row.id, User.erased_at.is_(None))
        )
        if session.scalar(still_known.limit(1)) is not None:
            continue
        row.attributes = dict(erased(tuple(sorted(row.attributes.items()))))
        row.digest = erased_digest(row.id)
        changed += 1
    session.flush()
    return changed


def _segments_of(session: Session, user_id: int) -> Sequence[UsageSegment]:
    """What the user was when they asked, as far as it still says something."""
    numbers = sa.select(UsageEvent.segment_id).where(UsageEvent.user_id == user_id).distinct()
    rows = session.scalars(sa.select(UsageSegment).where(UsageSegment.id.in_(numbers)))
    return [row for row in rows if set(row.attributes.values()) - {ERASED}]


def forget_in_mails(session: Session, user_id: int) -> int:
    """Why letters with their statements did not go: a mail server may have named somebody."""
    theirs = sa.select(FrozenStatement.id).where(FrozenStatement.user_id == user_id)
    done = session.execute(
        sa.update(StatementMail)
        .where(StatementMail.statement_id.in_(theirs), StatementMail.error.is_not(None))
        .values(error=None)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


def list_statements(
    session: Session, user_id: int, *, before_id: int | None, limit: int
) -> Sequence[FrozenStatement]:
    """Statements of a user, newest first."""
    statement = sa.select(FrozenStatement).where(FrozenStatement.user_id == user_id)
    if before_id is not None:
        statement = statement.where(FrozenStatement.id < before_id)
    return session.scalars(statement.order_by(FrozenStatement.id.desc()).limit(limit)).all()


def load_mails(session: Session, statement_ids: Collection[int]) -> Sequence[StatementMail]:
    """The letters with these statements, first to last."""
    return session.scalars(
        sa.select(StatementMail)
        .where(among(StatementMail.statement_id, statement_ids))
        .order_by(StatementMail.id)
    ).all()


def list_erased(session: Session, *, before_id: int | None, limit: int) -> Sequence[User]:
    """Users who were erased, those seen last first."""
    statement = sa.select(User).where(User.erased_at.is_not(None))
    if before_id is not None:
        statement = statement.where(User.id < before_id)
    return session.scalars(statement.order_by(User.id.desc()).limit(limit)).all()


def load_entries(session: Session, user_ids: Collection[int], action: str) -> dict[int, AuditEntry]:
    """The newest entry of this action on each of the users."""
    rows = session.scalars(
        sa.select(AuditEntry)
        .where(
            AuditEntry.object_type == "user",
            AuditEntry.object_id.in_([str(user_id) for user_id in sorted(user_ids)]),
            AuditEntry.action == action,
        )
        .order_by(AuditEntry.id)
    )
    return {int(row.object_id): row for row in rows}


def count_kept(session: Session, user_id: int) -> dict[str, int]:
    """Rows of the books that stay under the user's number.

    Segments are those that people share who are still known.
    """
    wallet = sa.select(Account.version).where(Account.user_id == user_id)
    events = sa.select(sa.func.count()).select_from(UsageEvent)
    grants = sa.select(sa.func.count()).select_from(Grant)
    statements = sa.select(sa.func.count()).select_from(FrozenStatement)
    entries = sa.select(sa.func.count()).select_from(AuditEntry)
    about = AuditEntry.object_type.in_(["user", "wallet"])
    return {
        "usage_events": session.scalar(events.where(UsageEvent.user_id == user_id)) or 0,
        "usage_segments": len(_segments_of(session, user_id)),
        "ledger_transactions": session.scalar(wallet) or 0,
        "grants": session.scalar(grants.where(Grant.user_id == user_id)) or 0,
        "statements": session.scalar(statements.where(FrozenStatement.user_id == user_id)) or 0,
        "audit_entries": session.scalar(entries.where(about, AuditEntry.object_id == str(user_id)))
        or 0,
    }


def list_refusals(
    session: Session, user_id: int, *, before_id: int | None, limit: int
) -> Sequence[Refusal]:
    """Refused calls of a user, newest first."""
    uid = sa.select(User.uid).where(User.id == user_id).scalar_subquery()
    statement = sa.select(Refusal).where((Refusal.uid == uid) | (Refusal.user_id == user_id))
    if before_id is not None:
        statement = statement.where(Refusal.id < before_id)
    return session.scalars(statement.order_by(Refusal.id.desc()).limit(limit)).all()


def list_alerts(
    session: Session, user_id: int, *, before_id: int | None, limit: int
) -> Sequence[Alert]:
    """Alerts about a user, newest first."""
    about = (Alert.subject == f"user:{user_id}") | Alert.subject.startswith(f"user:{user_id}/")
    statement = sa.select(Alert).where(about)
    if before_id is not None:
        statement = statement.where(Alert.id < before_id)
    return session.scalars(statement.order_by(Alert.id.desc()).limit(limit)).all()


def forget_profiles(session: Session, *, inactive_since: datetime) -> int:
    """Drop names, locales and attributes of users of whom nothing was seen since then; how many.

    Their issuer says them anew when they come again. Some at a time; zero when none are left.
    """
    has_profile = User.name.is_not(None) | User.locale.is_not(None)
    has_profile |= sa.cast(User.attributes, sa.Text) != "{}"
    asked = sa.exists().where(UsageDay.user_id == User.id, UsageDay.day >= inactive_since.date())
    came = sa.exists().where(
        VisitorSession.user_id == User.id, VisitorSession.opened_at >= inactive_since
    )
    ids = session.scalars(
        sa.select(User.id)
        .where(has_profile, User.created_at < inactive_since, ~asked, ~came)
        .order_by(User.id)
        .limit(FORGOTTEN_AT_ONCE)
    ).all()
    session.execute(
        sa.update(User)
        .where(among(User.id, ids))
        .values(name=None, locale=None, attributes={})
        .execution_options(synchronize_session=False)
    )
    return len(ids)


def prune_tokens(session: Session, *, over_before: datetime) -> int:
    """Delete minted tokens that expired or were revoked before then; how many.

    One-time tokens stay as long as the session that they opened: it stops a second one.
    """
    is_over = (Token.expires_at < over_before) | (
        (Token.revoked_at < over_before) & Token.expires_at.is_not(None)
    )
    opened = sa.exists().where(VisitorSession.token_digest == Token.digest)
    done = session.execute(
        sa.delete(Token).where(is_over, ~opened).execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


_JOB_PARTS = ("parameters", "saved", "result", "message")


def _put(row: Any, name: str, value: object) -> bool:  # noqa: ANN401 - a row of any of the tables
    """Whether that changed anything."""
    if getattr(row, name) == value:
        return False
    setattr(row, name, value)
    return True
