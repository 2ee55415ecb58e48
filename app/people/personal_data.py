"""Everything the service keeps about one person, as one JSON document, for access requests.

Written a page at a time, each in a transaction of its own: neither memory nor locks grow with it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.alerts.models import Alert
from app.audit import store as audit_store
from app.audit.models import AuditEntry
from app.closings.content import number_of
from app.closings.models import FrozenStatement, StatementMail
from app.db import Database
from app.ledger import store as ledger_store
from app.ledger.credit import store as credit_store
from app.ledger.credit.models import Grant
from app.ledger.credit.store import Filters
from app.ledger.models import Transaction
from app.metering import store as metering_store
from app.metering.models import UsageEvent, UsageLine
from app.money import format_nano
from app.people import store
from app.sightings.models import Refusal
from app.tokens import commands as token_commands
from app.tokens import store as token_store
from app.tokens.models import Token, VisitorSession
from app.unfinished import store as unfinished_store
from app.users import commands as user_commands
from app.users import store as user_store

PAGE_ROWS = 500

Page = tuple[Sequence[Any], int | None]
"""Rows, and where the next page begins; None: these were the last."""
Load = Callable[[Session, int | None], Page]
SECTIONS = (
    "transactions",
    "grants",
    "statements",
    "answers",
    "sessions",
    "tokens",
    "unfinished_questions",
    "refusals",
    "alerts",
    "changes",
)


def document(db: Database, user_id: int, *, now: datetime) -> Iterator[str]:
    """The document in pieces: ``profile``, ``wallet``, then a list for each of ``SECTIONS``.

    Amounts are decimal text, times ISO 8601. Lists are newest first.

    Raises:
        UserNotFound: there is no such user; before the first piece.
    """
    head = _head(db, user_id, now)
    return _pieces(db, user_id, head)


def _head(db: Database, user_id: int, now: datetime) -> dict[str, Any]:
    with db.read() as session:
        user = user_store.get(session, user_id)
        wallet = ledger_store.find_account(session, user.id)
        return {
            "written_at": now.isoformat(),
            "profile": {
                "id": user.id,
                "issuer": user_store.issuer_name(session, user.issuer_id),
                **user_commands.describe(user),
                "created_at": user.created_at.isoformat(),
                "erased_at": _iso(user.erased_at),
            },
            "wallet": None
            if wallet is None
            else {
                "account": wallet.name,
                "balance": format_nano(wallet.balance),
                "currency": wallet.currency,
            },
        }


def _pieces(db: Database, user_id: int, head: Mapping[str, Any]) -> Iterator[str]:
    yield json.dumps(head, indent=1)[:-2]
    loaders = _loaders(user_id)
    for name in SECTIONS:
        yield f',\n "{name}": ['
        separator = "\n  "
        for row in _rows(db, loaders[name]):
            yield separator + json.dumps(row)
            separator = ",\n  "
        yield "]"
    yield "\n}\n"


def _rows(db: Database, load: Load) -> Iterator[Any]:
    place: int | None = None
    while True:
        with db.read() as session:
            rows, place = load(session, place)
        yield from rows
        if place is None:
            return


def _loaders(user_id: int) -> dict[str, Load]:
    return _of_books(user_id) | _of_person(user_id)


def _of_books(user_id: int) -> dict[str, Load]:
    def transactions(session: Session, before: int | None) -> Page:
        wallet = ledger_store.find_account(session, user_id)
        if wallet is None:
            return (), None
        rows = ledger_store.list_transactions(session, wallet.id, before=before, limit=PAGE_ROWS)
        return _page(rows, _transaction, lambda row: row.sequence)

    def grants(session: Session, before: int | None) -> Page:
        wanted = Filters(user_id=user_id)
        rows = credit_store.list_grants(session, wanted, before=before, limit=PAGE_ROWS)
        return _page(rows, _grant, lambda row: row.transaction_id)

    def statements(session: Session, before: int | None) -> Page:
        rows = store.list_statements(session, user_id, before_id=before, limit=PAGE_ROWS)
        mails = store.load_mails(session, [row.id for row in rows])
        return _page(rows, lambda row: _statement(row, mails), lambda row: row.id)

    def answers(session: Session, before: int | None) -> Page:
        rows = metering_store.list_events(session, user_id, limit=PAGE_ROWS, before_id=before)
        lines = metering_store.load_lines(session, {row.id: row.received_at for row in rows})
        return _page(rows, lambda row: _answer(row, lines[row.id]), lambda row: row.id)

    return {
        "transactions": transactions,
        "grants": grants,
        "statements": statements,
        "answers": answers,
    }


def _of_person(user_id: int) -> dict[str, Load]:
    def sessions(session: Session, before: int | None) -> Page:
        rows = token_store.list_user_sessions(session, user_id, before_id=before, limit=PAGE_ROWS)
        return _page(rows, _session, lambda row: row.id)

    def tokens(session: Session, before: int | None) -> Page:
        rows = token_store.list_tokens(session, user_id=user_id, before_id=before, limit=PAGE_ROWS)
        return _page(rows, _token, lambda row: row.id)

    def unfinished(session: Session, before: int | None) -> Page:
        rows = unfinished_store.list_of_user(session, user_id, before_id=before, limit=PAGE_ROWS)
        return _page(
            rows,
            lambda row: {"asked_at": row.asked_at.isoformat(), "link": row.link_id},
            lambda row: row.id,
        )

    def refusals(session: Session, before: int | None) -> Page:
        rows = store.list_refusals(session, user_id, before_id=before, limit=PAGE_ROWS)
        return _page(rows, _refusal, lambda row: row.id)

    def alerts(session: Session, before: int | None) -> Page:
        rows = store.list_alerts(session, user_id, before_id=before, limit=PAGE_ROWS)
        return _page(rows, _alert, lambda row: row.id)

    def changes(session: Session, before: int | None) -> Page:
        rows = audit_store.list_about(session, _objects(user_id), before_id=before, limit=PAGE_ROWS)
        return _page(rows, _change, lambda row: row.id)

    return {
        "sessions": sessions,
        "tokens": tokens,
        "unfinished_questions": unfinished,
        "refusals": refusals,
        "alerts": alerts,
        "changes": changes,
    }


def _objects(user_id: int) -> list[tuple[str, str]]:
    return [("user", str(user_id)), ("wallet", str(user_id))]


def _page(
    rows: Sequence[Any], shown: Callable[[Any], dict[str, Any]], place: Callable[[Any], int]
) -> Page:
    following = place(rows[-1]) if len(rows) == PAGE_ROWS else None
    return [shown(row) for row in rows], following


def _transaction(row: Transaction) -> dict[str, Any]:
    return {
        "transaction": row.id,
        "at": row.posted_at.isoformat(),
        "kind": row.kind,
        "amount": format_nano(row.amount),
        "balance_after": format_nano(row.balance_after),
        "reason": row.reason,
    }


def _grant(row: Grant) -> dict[str, Any]:
    return {
        "transaction": row.transaction_id,
        "granted_at": row.granted_at.isoformat(),
        "source": row.source,
        "month": row.month,
        "amount": format_nano(row.amount),
        "expires_at": _iso(row.expires_at),
        "ended_at": _iso(row.closed_at),
        "ended_as": row.closed_as,
        "lapsed": format_nano(row.lapsed),
        "reason": row.reason,
    }


def _statement(row: FrozenStatement, mails: Sequence[StatementMail]) -> dict[str, Any]:
    """With all that it says."""
    return {
        "number": number_of(row.year, row.ordinal),
        "hash": row.hash,
        "department": row.department,
        "content": json.loads(row.content),
        "mailed": [
            {"at": mail.begun_at.isoformat(), "state": mail.state}
            for mail in mails
            if mail.statement_id == row.id
        ],
    }


def _answer(row: UsageEvent, lines: Sequence[UsageLine]) -> dict[str, Any]:
    return {
        "reference": row.reference,
        "at": row.received_at.isoformat(),
        "link": row.link_id,
        "app_name": row.app_name,
        "chat_id": row.chat_id,
        "points": format_nano(row.points),
        "charge": format_nano(row.charge),
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "nodes": [
            {
                "model": line.model,
                "node_kind": line.node_kind,
                "points": format_nano(line.points),
                "charge": format_nano(line.charge),
            }
            for line in lines
        ],
    }


def _refusal(row: Refusal) -> dict[str, Any]:
    return {
        "reference": row.reference,
        "at": row.at.isoformat(),
        "link": row.link_id,
        "hook": row.hook,
        "code": row.code,
        "subject": row.subject,
        "address": row.address,
        "message": row.message,
    }


def _alert(row: Alert) -> dict[str, Any]:
    return {
        "condition": row.condition,
        "name": row.subject_name,
        "facts": row.facts,
        "opened_at": row.opened_at.isoformat(),
        "resolved_at": _iso(row.resolved_at),
    }


def _session(row: VisitorSession) -> dict[str, Any]:
    return {
        "link": row.link_id,
        "opened_at": row.opened_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "ended_at": _iso(row.ended_at),
    }


def _token(row: Token) -> dict[str, Any]:
    return token_commands.describe(row)


def _change(row: AuditEntry) -> dict[str, Any]:
    """Without who did it: that is an operator's, another person's, name."""
    return {
        "at": row.at.isoformat(),
        "action": row.action,
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
