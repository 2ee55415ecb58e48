"""Takes deliveries that are due, sends them outside of any transaction, and notes the outcome.

A delivery is sent at least once and to the same effect as once: a worker that dies leaves a lease
that ends, and whoever comes next writes the same names, or sends the same message id, again.
"""

import random
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

import structlog
from sqlalchemy.orm import Session

from app import disk
from app.alarms.mail import Mailer
from app.alerts import backoff
from app.config import Settings
from app.db import Database
from app.deliveries import address as addressing
from app.deliveries import orders, store
from app.deliveries.carrying import Carry, Consignment, NotTaken, Probe
from app.deliveries.home import Home
from app.deliveries.models import Delivery, FileDestination
from app.deliveries.store import Sent
from app.deliveries.to_directory import ToDirectory
from app.deliveries.to_mail import ToMail
from app.deliveries.to_s3 import ToS3
from app.deliveries.to_webhook import PERMITTED_BY, ToWebhook
from app.errors import Conflict, ServiceError
from app.keys import Keys
from app.outbound import Bounds, Outbound

LEASE = timedelta(minutes=5)
"""Longer than one request may take; prolonged between them."""
PROLONG_AFTER = timedelta(seconds=30)
GONE_AFTER = timedelta(days=1)
GONE = (
    "no worker with the directory that the files are in has taken this up for a day: start one, "
    "or run the schedule again"
)
CALL = Bounds(bytes_max=64 * 1024, connect_s=3, read_s=10, total_s=15)
UPLOAD = Bounds(bytes_max=64 * 1024, connect_s=5, read_s=60, total_s=4 * 3600)
THREADS = 2
STOP_S = 5.0

Clock = Callable[[], datetime]
Outcome = Literal["delivered", "failed", "dead", "lost"]
OnSent = Callable[[str, Outcome], None]
"""Told the kind of destination and what became of an attempt."""

log = structlog.get_logger(__name__)


class LeaseGone(Conflict):
    """Somebody else sends the delivery by now, or it was given up."""

    code = "delivery_lease_gone"


class Way(Protocol):
    """One kind of destination."""

    @property
    def carry(self) -> Carry: ...
    @property
    def probe(self) -> Probe: ...


@dataclass(frozen=True, slots=True)
class Ways:
    """How each kind of destination is reached."""

    carries: Mapping[str, Carry]
    probes: Mapping[str, Probe]


@dataclass(frozen=True, slots=True)
class Post:
    """What sending needs."""

    db: Database
    keys: Keys
    home: Home
    ways: Ways
    clock: Clock
    on_sent: OnSent = lambda _kind, _outcome: None


@dataclass(frozen=True, slots=True)
class _Claim:
    delivery: Delivery
    destination: FileDestination
    lease: str


def ways(settings: Settings) -> Ways:
    """Those of the service's settings."""
    rules = settings.deliveries
    root = rules.root or settings.service.data_dir.resolve() / "delivered"
    private = rules.allow_private_addresses
    call, upload = (
        Outbound(bounds, permitted_by=PERMITTED_BY, allow_private=private)
        for bounds in (CALL, UPLOAD)
    )
    kinds: dict[str, Way] = {
        "directory": ToDirectory(root.absolute()),
        "s3": ToS3(allow_private=private),
        "webhook": ToWebhook(call, upload, rules.inline_bytes_max),
        "mail": ToMail(Mailer(settings.mail), rules.attachment_bytes_max),
    }
    return Ways(
        {kind: way.carry for kind, way in kinds.items()},
        {kind: way.probe for kind, way in kinds.items()},
    )


def probe(ways: Ways, destination: FileDestination, keys: Keys, now: datetime) -> str:
    """Leave a small thing there and take it away again; what was done, in one sentence.

    Raises:
        NotTaken, ServiceError: the one sentence says what is wrong.
    """
    address = addressing.unseal(destination.sealed, keys)
    return ways.probes[destination.kind](address, now)


def send_due(
    post: Post, only: Collection[int] | None = None, *, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Send what is due now and lies here, one after the other; how many were tried.

    With ``only``, of these deliveries. Asks ``is_over`` before each.
    """
    tried = 0
    while not is_over() and (claim := _take(post, only)) is not None:
        _send(post, claim)
        tried += 1
    return tried


def bury(db: Database, now: datetime) -> int:
    """Give up what no worker with its files has taken up for a day."""
    return db.run(
        lambda s: store.bury_homeless(s, due_before=now - GONE_AFTER, error=GONE, now=now)
    )


class Courier:
    """Sends in the background: who calls ``kick`` has other things to do."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._stopping = threading.Event()
        self._rounds: list[threading.Thread] = []
        self._failed: Exception | None = None

    def kick(self) -> None:
        """Begin a round, unless enough are under way. Raises what an earlier one failed with."""
        self._rounds = [one for one in self._rounds if one.is_alive()]
        if len(self._rounds) < THREADS:
            # A daemon: an upload may take hours, and must not keep the process from ending.
            begun = threading.Thread(target=self._round, name="file-deliveries", daemon=True)
            self._rounds.append(begun)
            begun.start()
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Begin no other, and wait a little; of what takes longer the lease ends."""
        self._stopping.set()
        for one in self._rounds:
            one.join(STOP_S)

    def _round(self) -> None:
        try:
            send_due(self._post, is_over=self._stopping.is_set)
        except Exception as error:  # noqa: BLE001 - whoever kicks next is told
            self._failed = error


def _take(post: Post, only: Collection[int] | None) -> _Claim | None:
    now, lease = post.clock(), secrets.token_hex(16)
    with post.db.read() as session:
        if not store.has_due(session, post.home.name, now):
            return None

    def take(session: Session) -> _Claim | None:
        found = store.lease_next(
            session, post.home.name, lease=lease, lasts=LEASE, now=now, only=only
        )
        return None if found is None else _Claim(*found, lease)

    return post.db.run(take)


def _send(post: Post, claim: _Claim) -> None:
    delivery, kind = claim.delivery, claim.destination.kind
    try:
        sent = _attempt(post, claim)
    except LeaseGone:
        post.on_sent(kind, "lost")
        return
    now = post.clock()
    is_ours = post.db.run(lambda s: store.mark(s, delivery.id, sent, lease=claim.lease, now=now))
    if not is_ours:
        post.on_sent(kind, "lost")
        return
    if sent.error is None:
        post.on_sent(kind, "delivered")
        return
    post.on_sent(kind, "dead" if sent.next_at is None else "failed")
    log.warning(
        "file_not_delivered",
        destination=claim.destination.name,
        delivery=delivery.id,
        attempts=delivery.attempts,
        error=sent.error,
        is_dead=sent.next_at is None,
    )


def _attempt(post: Post, claim: _Claim) -> Sent:
    """What became of it; faults of any kind are failures that are tried again."""
    try:
        return Sent(place=_carry(post, claim))
    except LeaseGone:
        raise
    except NotTaken as refused:
        return _failed(post, claim, refused.message, refused.wait_s, is_final=refused.is_final)
    except ServiceError as problem:
        return _failed(post, claim, problem.message)
    except Exception as fault:
        log.exception("delivery_broke", delivery=claim.delivery.id)
        return _failed(post, claim, f"a fault of ours ({type(fault).__name__}): see the log")


def _failed(
    post: Post, claim: _Claim, error: str, wait_s: float = 0, *, is_final: bool = False
) -> Sent:
    chance = random.random()  # noqa: S311 - jitter
    wait = backoff.wait_after(claim.delivery.attempts, chance=chance, at_least_s=wait_s)
    next_at = None if is_final or wait is None else post.clock() + wait
    return Sent(error=error[:500], next_at=next_at)


def _carry(post: Post, claim: _Claim) -> str:
    delivery, files = claim.delivery, orders.files_of(claim.delivery)
    for one in files:
        try:
            is_same = disk.sha256(one.path) == one.sha256
        except OSError as error:
            raise NotTaken(f"{one.path} cannot be read: {error.strerror}", is_final=True) from error
        if not is_same:
            raise NotTaken(f"{one.path} was changed since it was made", is_final=True)
    consignment = Consignment(
        key=delivery.key,
        subject=delivery.subject,
        summary=delivery.summary,
        summary_html=delivery.summary_html,
        manifest=delivery.manifest,
        files=files,
        address=addressing.unseal(claim.destination.sealed, post.keys),
        locale=claim.destination.locale,
        now=post.clock(),
        beat=_beat(post, claim),
    )
    return post.ways.carries[claim.destination.kind](consignment)


def _beat(post: Post, claim: _Claim) -> Callable[[], None]:
    last = post.clock()

    def beat() -> None:
        nonlocal last
        now = post.clock()
        if now - last < PROLONG_AFTER:
            return
        last = now
        is_ours = post.db.run(
            lambda s: store.prolong(s, claim.delivery.id, lease=claim.lease, until=now + LEASE)
        )
        if not is_ours:
            raise LeaseGone(f"delivery {claim.delivery.id} is somebody else's by now")

    return beat
