"""Where a finish goes that the database cannot take: to the spool, or at least into the log."""

from collections.abc import Callable
from datetime import datetime

import structlog

from app.errors import Unavailable
from app.spool import record
from app.spool.record import LINE_CHARS_MAX, Record
from app.spool.segments import Lane
from app.spool.spool import Spool, SpoolUnusable
from app.turns.doors import Door
from app.turns.identify import Directory

log = structlog.get_logger(__name__)


class NotRecorded(Unavailable):
    """Neither the database nor the spool took the finish. FastGPT will not send it again."""

    code = "not_recorded"


class Safekeeping:
    """Keeps finishes, unread and sealed, until they can be settled."""

    def __init__(
        self,
        *,
        spool: Spool,
        directory: Directory,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_lost`` is told of each finish that nothing but the log has."""
        self._spool = spool
        self._directory = directory
        self._on_lost = on_lost

    def keep(self, door: Door, finish: Record, because: Exception) -> None:
        """Put it into the spool; when this returns it is on the disk.

        Raises:
            LinkUnknown: for certain nobody has this key.
            NotRecorded: the spool cannot take it either. Its sealed form is in the log.
        """
        lane: Lane = "known" if door.is_known(self._directory, finish.received_at) else "unproven"
        payload = self._spool.seal(finish)
        try:
            self._spool.append_sealed(payload, finish, lane=lane, now=finish.received_at)
        except SpoolUnusable as problem:
            self._tell(finish.reference, payload, lane, problem)
            raise NotRecorded(f"neither the database nor the spool: {problem.message}") from because
        why = getattr(because, "message", type(because).__name__)
        log.warning("finish.spooled", reference=finish.reference, because=why)

    def _tell(self, reference: str, payload: bytes, lane: Lane, problem: SpoolUnusable) -> None:
        self._on_lost()
        log.error(
            "finish.not_recorded",
            reference=reference,
            problem=problem.message,
            advice="`shareauth spool import` takes it from this log",
        )
        if lane == "unproven" and len(payload) > LINE_CHARS_MAX:
            return  # anybody may have sent it: it must not fill the log's disk as well
        for line in record.to_lines(reference, payload):
            log.error("finish.sealed", reference=reference, sealed=line)


def record_of(door: Door, body: bytes, *, reference: str, received_at: datetime) -> Record:
    return Record(
        reference=reference,
        received_at=received_at,
        link_key=door.key,
        link_name=door.name,
        body=body,
    )


def door_of(finish: Record) -> Door:
    return Door(key=finish.link_key, name=finish.link_name)
