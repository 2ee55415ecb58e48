"""Takes messages from the outbox, sends them outside of any transaction, and notes the outcome."""

import random
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy.orm import Session

from app.alarms.sending import Send
from app.alerts import outbox, store
from app.alerts.bots import Verdict
from app.alerts.outbox import Parcel
from app.db import Database

Clock = Callable[[], datetime]
Outcome = Literal["delivered", "failed", "dead"]
OnSent = Callable[[str, Outcome], None]
"""Told the kind of destination and what became of an attempt."""
THREADS = 4

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Post:
    """What delivering needs. Messages are sent by several threads at once."""

    db: Database
    send: Send
    clock: Clock
    on_sent: OnSent


def deliver(post: Post, pool: ThreadPoolExecutor) -> int:
    """Send what is due now; how many messages were tried."""
    now, lease = post.clock(), secrets.token_hex(16)
    with post.db.read() as session:
        if not store.has_due(session, now):
            return 0

    def take(session: Session) -> list[Parcel]:
        outbox.fold(session, now)
        return outbox.claim(session, lease=lease, now=now)

    parcels = post.db.run(take)
    for done in [pool.submit(_deliver_one, post, parcel, lease) for parcel in parcels]:
        done.result()
    return len(parcels)


def send_test(post: Post, destination: str) -> Verdict:
    """Send a test message now, and say what became of it. It is not tried again.

    Raises:
        DestinationNotFound: no destination has this name.
    """
    now, lease = post.clock(), secrets.token_hex(16)

    def write(session: Session) -> Parcel:
        found = store.get_destination(session, destination)
        delivery = outbox.write_test(session, found, now=now)
        return outbox.claim_one(session, delivery, found, lease=lease, now=now)

    return _deliver_one(post, post.db.run(write), lease)


class Courier:
    """Delivers in the background: who calls ``kick`` has other things to do."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="alerts")
        self._rounds = ThreadPoolExecutor(1, thread_name_prefix="alert-rounds")
        self._round: Future[int] | None = None

    def kick(self) -> None:
        """Begin a round, unless one is under way. Raises what the round before failed with."""
        before = self._round
        if before is not None and not before.done():
            return
        self._round = self._rounds.submit(deliver, self._post, self._pool)
        if before is not None:
            before.result()

    def close(self) -> None:
        """Wait for what is being sent: its bounds are seconds. The rest is sent by the next."""
        self._rounds.shutdown(cancel_futures=True)
        self._pool.shutdown()


def _deliver_one(post: Post, parcel: Parcel, lease: str) -> Verdict:
    verdict = post.send(parcel, post.clock())
    now = post.clock()
    if verdict.error is None:
        post.db.run(lambda s: outbox.mark_delivered(s, parcel, lease=lease, now=now))
        post.on_sent(parcel.kind, "delivered")
        return verdict
    error = verdict.error
    wait = outbox.wait_after(
        parcel,
        is_final=verdict.is_final,
        wait_s=verdict.wait_s,
        chance=random.random(),  # noqa: S311 - jitter
    )
    post.db.run(lambda s: outbox.mark_failed(s, parcel, error, wait=wait, lease=lease, now=now))
    post.on_sent(parcel.kind, "dead" if wait is None else "failed")
    if parcel.event == "test":  # whoever tests is told, and nobody else
        return verdict
    log.warning(
        "alert_not_delivered",
        destination=parcel.destination,
        message=parcel.message_id,
        attempts=parcel.attempts,
        error=error,
        is_dead=wait is None,
    )
    return verdict
