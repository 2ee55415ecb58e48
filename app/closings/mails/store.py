"""Every SQL statement on letters with statements."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.closings.models import StatementMail
from app.upserts import insert_ignoring


def claim(
    session: Session, statement_id: int, *, again: bool, sent_by: str, now: datetime
) -> StatementMail | None:
    """Write down that the statement is being mailed, before it is; None when it was already.

    What failed is tried again under its own row. ``again``: whatever was sent before.
    """
    known = list_of(session, statement_id)
    if known and known[-1].state == "failed" and not again:
        known[-1].state, known[-1].begun_at, known[-1].done_at = "sending", now, None
        known[-1].sent_by, known[-1].error = sent_by, None
        session.flush()
        return known[-1]
    if known and not again:
        return None
    copy = len(known) + 1
    row = {
        "statement_id": statement_id,
        "copy": copy,
        "state": "sending",
        "begun_at": now,
        "done_at": None,
        "sent_by": sent_by,
        "error": None,
    }
    if insert_ignoring(StatementMail, session, [row]) == 0:
        return None  # another was faster
    return session.scalar(
        sa.select(StatementMail).where(
            StatementMail.statement_id == statement_id, StatementMail.copy == copy
        )
    )


def settle(session: Session, mail_id: int, *, error: str | None, now: datetime) -> None:
    """Note what became of a letter."""
    mail = session.get_one(StatementMail, mail_id)
    mail.state = "sent" if error is None else "failed"
    mail.error, mail.done_at = error, now
    session.flush()


def list_of(session: Session, statement_id: int) -> Sequence[StatementMail]:
    """The letters with this statement, first to last; locked against another's claim."""
    return session.scalars(
        sa.select(StatementMail)
        .where(StatementMail.statement_id == statement_id)
        .order_by(StatementMail.copy)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def read_of(session: Session, statement_id: int) -> Sequence[StatementMail]:
    """The same, to look at."""
    return session.scalars(
        sa.select(StatementMail)
        .where(StatementMail.statement_id == statement_id)
        .order_by(StatementMail.copy)
    ).all()
