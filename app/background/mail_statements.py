"""Mailing statements as a background job: each once, unless somebody has it sent again.

A letter is written down before it is sent. A worker that dies in between leaves it at ``sending``:
nobody knows then whether it went, and it is not sent again but by hand.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.alarms.mail import NO_SERVER, Attachment, Mailer
from app.background.task import Task
from app.closings import store
from app.closings.content import number_of
from app.closings.mails import addressing
from app.closings.mails import store as mails
from app.closings.models import FrozenStatement
from app.closings.months import month_text
from app.closings.papers import rendering
from app.closings.papers.words import Locale
from app.errors import Invalid
from app.jobs.leases import Progress
from app.runtime import Runtime
from app.users import store as user_store
from app.users.models import User

KIND = "mail_statements"
PAGE_ROWS = 100


class NoMailServer(Invalid):
    """The settings name none."""

    code = "mail_not_set_up"


class Parameters(BaseModel):
    """The statements of a month, or the one of a number such as 2026-000123.

    ``again``: also what was sent before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Annotated[int, Field(ge=197101, le=899912)]
    ordinal: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    again: bool = False


class Sends(Protocol):
    """What sends a letter; None when it went, else what went wrong."""

    def letter(
        self,
        message_id: str,
        recipient: str,
        said: tuple[str, str],
        attachments: Sequence[Attachment],
        now: Any,  # noqa: ANN401 - a datetime
    ) -> str | None: ...


@dataclass(slots=True)
class _SoFar:
    last: int = 0
    done: int = 0
    sent: int = 0
    failed: int = 0
    skipped: int = 0
    """Sent before, or of people without an address."""


def run(runtime: Runtime, task: Task) -> dict[str, Any]:
    """Mail them; how many were sent, failed, skipped.

    Raises:
        NoMailServer: there is none.
        ClosingNotFound, StatementNotFound: there is no such month or statement.
    """
    return send_all(runtime, task, Mailer(runtime.settings.mail))


def send_all(runtime: Runtime, task: Task, mailer: Sends) -> dict[str, Any]:
    """The same, with whatever sends letters."""
    if runtime.settings.mail.host is None:
        raise NoMailServer(NO_SERVER)
    asked = Parameters.model_validate(task.parameters)
    so_far = _SoFar(**(task.saved or {}))
    with runtime.db.read() as session:
        total = store.get(session, asked.month).statements if asked.ordinal is None else 1
        if asked.ordinal is not None:
            store.get_statement(session, asked.month // 100, asked.ordinal)
    while page := _page(runtime, asked, so_far.last):
        for statement, user in page:
            _send(runtime, task, mailer, asked, so_far, (statement, user))
            task.report(Progress(so_far.done, max(total, so_far.done), saved=asdict(so_far)))
        if asked.ordinal is not None:
            break
    return {"month": month_text(asked.month), **_counts(so_far)}


def _counts(so_far: _SoFar) -> dict[str, int]:
    return {"sent": so_far.sent, "failed": so_far.failed, "skipped": so_far.skipped}


def _page(
    runtime: Runtime, asked: Parameters, after: int
) -> list[tuple[FrozenStatement, User | None]]:
    with runtime.db.read() as session:
        if asked.ordinal is not None:
            rows: Sequence[FrozenStatement] = [
                store.get_statement(session, asked.month // 100, asked.ordinal)
            ]
        else:
            rows = store.list_to_mail(session, asked.month, after=after, limit=PAGE_ROWS)
        users = user_store.load_by_ids(session, [row.user_id or 0 for row in rows])
    return [(row, users.get(row.user_id or 0)) for row in rows]


def _send(
    runtime: Runtime,
    task: Task,
    mailer: Sends,
    asked: Parameters,
    so_far: _SoFar,
    whose: tuple[FrozenStatement, User | None],
) -> None:
    statement, user = whose
    so_far.last = statement.ordinal
    so_far.done += 1
    settings = runtime.settings
    address = None
    if user is not None and user.erased_at is None:
        address = addressing.address_of(user.attributes, settings.statements.email_attribute)
    if user is None or address is None:
        so_far.skipped += 1
        return
    now = task.clock()

    def claim(session: Session) -> tuple[int, int] | None:
        mail = mails.claim(
            session, statement.id, again=asked.again, sent_by=task.actor.name, now=now
        )
        return None if mail is None else (mail.id, mail.copy)

    claimed = runtime.db.run(claim)
    if claimed is None:
        so_far.skipped += 1
        return
    mail_id, copy = claimed
    error = _deliver(runtime, mailer, (statement, user), address, copy, now)
    if error is not None:
        error = error.replace(address, "…")[:1000]
    runtime.db.run(lambda session: mails.settle(session, mail_id, error=error, now=task.clock()))
    so_far.sent += error is None
    so_far.failed += error is not None


def _deliver(
    runtime: Runtime,
    mailer: Sends,
    whose: tuple[FrozenStatement, User],
    address: str,
    copy: int,
    now: Any,  # noqa: ANN401 - a datetime
) -> str | None:
    statement, user = whose
    locale = locale_of(user, runtime.settings.service.locale)
    issuer = rendering.issuer_of(runtime.settings.statements)
    with runtime.db.read() as session:
        people = rendering.people_of(session, statement)
    file = rendering.render(statement, "pdf", people=people, issuer=issuer, locale=locale)
    number = number_of(statement.year, statement.ordinal)
    letter = addressing.letter(month_text(statement.month), number, issuer, locale)
    return mailer.letter(
        f"statement-{number}-{copy}",
        address,
        (letter.subject, letter.text),
        [Attachment(file.name, file.media_type, file.body)],
        now,
    )


def locale_of(user: User, fallback: Locale) -> Locale:
    """The language of a statement for this user."""
    said = (user.locale or "")[:2].lower()
    return "zh" if said == "zh" else "en" if said == "en" else fallback
