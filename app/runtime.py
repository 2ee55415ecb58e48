"""The long-lived collaborators of one process, built once from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import structlog

from app import embedded, revision
from app.admission.gate import Gate
from app.config import Settings
from app.db import Database
from app.first_start import secret_key
from app.i18n import check_message
from app.keys import Keys
from app.money import NANO
from app.spool.spool import Spool, SpoolUnusable
from app.telemetry import metrics
from app.tokens.issuers import parse_configured
from app.tokens.jwks import KeySets
from app.turns.books import Books
from app.turns.drain import Drain
from app.turns.endurance import Endurance
from app.turns.finish import Accepted, Finishes
from app.turns.freshness import Freshness
from app.turns.identify import Directory
from app.turns.lookout import Lookout
from app.turns.price_shelf import PriceShelf
from app.turns.safekeeping import Safekeeping
from app.turns.segment_shelf import SegmentShelf
from app.turns.settle import FinishRules
from app.turns.visits import Visits

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Build it after the fork: it holds connections, locks and memory of its own."""

    settings: Settings
    db: Database
    keys: Keys
    gate: Gate
    directory: Directory
    visits: Visits
    finishes: Finishes
    spool: Spool
    drain: Drain
    lookout: Lookout
    messages: Mapping[str, Mapping[str, str]]
    """The operator's own sentences for every link: ``{code: {locale: text}}``."""

    @classmethod
    def build(cls, settings: Settings, *, statement_timeout_s: float | None = None) -> Self:
        """Connect nothing yet: every connection is made when it is first needed.

        Statements may take ``spool.after_s`` when nothing else is said, and transactions twice
        that: a hook that waits longer has better things to do.

        Raises:
            ServiceError: an issuer in the settings cannot be used, or the secret cannot be read.
        """
        db = Database(
            settings.database_url,
            pool_size=settings.database.pool_size,
            lock_timeout_s=min(settings.database.lock_timeout_s, settings.spool.after_s),
            statement_timeout_s=statement_timeout_s or settings.spool.after_s,
            transaction_timeout_s=None if statement_timeout_s else 2 * settings.spool.after_s,
        )
        keys = Keys(secret_key(settings))
        gate = Gate(settings, url=redis_url(settings), on_event=_count_gate_event)
        directory = _directory(settings, db, keys)
        freshness = Freshness(
            db=db,
            gate=gate,
            directory=directory,
            staleness_max_s=settings.hooks.staleness_max_s,
        )
        shelf = PriceShelf(db=db, directory=directory)
        visits = Visits(
            gate=gate,
            directory=directory,
            freshness=freshness,
            shelf=shelf,
            books=Books(db=db, currency=settings.billing.currency),
            endurance=_endurance(settings, db),
        )
        spool = _spool(settings, keys)
        finishes = Finishes(
            db=db,
            gate=gate,
            directory=directory,
            freshness=freshness,
            shelf=shelf,
            segments=_segments(settings, db, directory),
            keys=keys,
            rules=_finish_rules(settings),
            safekeeping=Safekeeping(spool=spool, directory=directory, on_lost=_count_lost),
            budget_s=settings.spool.after_s,
        )
        return cls(
            settings=settings,
            db=db,
            keys=keys,
            gate=gate,
            directory=directory,
            visits=visits,
            finishes=finishes,
            spool=spool,
            drain=Drain(spool=spool, finishes=finishes, on_settled=_count_settled),
            lookout=Lookout(db=db, on_dropped=_count_dropped),
            messages=_checked_messages(settings),
        )

    def announce(self) -> bool:
        """Make every worker notice the changes committed so far; whether Redis took it.

        When it did not, they notice within ``hooks.staleness_max_s`` of Redis being away, or as
        soon as the next change is announced.
        """
        with self.db.read() as session:
            number = revision.current(session)
        return self.gate.announce(number)

    def close(self) -> None:
        self.lookout.close()
        self.gate.close()
        self.spool.close()
        self.db.close()


def _segments(settings: Settings, db: Database, directory: Directory) -> SegmentShelf:
    followed = settings.reports.attributes
    return SegmentShelf(db=db, followed=followed, revision=lambda: directory.revision)


def redis_url(settings: Settings) -> str:
    """The Redis that was given, or the bundled one of the data directory."""
    if settings.redis.url is not None:
        return settings.redis.url.get_secret_value()
    return embedded.url(settings.service.data_dir)


def _directory(settings: Settings, db: Database, keys: Keys) -> Directory:
    return Directory(
        db=db,
        keys=keys,
        key_sets=KeySets(allow_private=settings.identity.allow_private_jwks),
        config_issuers=parse_configured(settings.issuers),
        session_max_age=timedelta(seconds=settings.identity.session_max_age_s),
    )


def _endurance(settings: Settings, db: Database) -> Endurance:
    rules = settings.database
    return Endurance(db=db, on_outage=rules.on_outage, lasts_s=rules.outage_max_s)


def _spool(settings: Settings, keys: Keys) -> Spool:
    spool = Spool(
        settings.spool_directory,
        keys=keys,
        bytes_max=settings.spool.bytes_max,
        on_event=lambda event: metrics.SPOOL_EVENTS.labels(event).inc(),
    )
    try:
        spool.prepare()
    except SpoolUnusable as problem:
        # The service works without it, for as long as the database does.
        log.error("spool.unusable", problem=problem.message)  # noqa: TRY400 - no fault of ours
    return spool


def _finish_rules(settings: Settings) -> FinishRules:
    return FinishRules(
        currency=settings.billing.currency,
        zone=settings.zone,
        points_per_price_unit=settings.metering.points_per_price_unit,
        points_per_node_max=settings.metering.points_per_node_max,
        replay_window=timedelta(seconds=settings.metering.replay_window_s),
    )


def _checked_messages(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    messages: dict[str, dict[str, str]] = {}
    for locale, texts in settings.messages.items():
        for code, text in texts.items():
            check_message(code, text)
            messages.setdefault(code, {})[locale] = text
    return messages


def _count_gate_event(name: str) -> None:
    metrics.GATE_EVENTS.labels(name).inc()


def _count_settled(accepted: Accepted) -> None:
    metrics.count_finish(
        accepted.outcome,
        points=accepted.points / NANO,
        charge=accepted.charge / NANO,
        warnings=accepted.warnings,
    )


def _count_lost() -> None:
    metrics.SPOOL_EVENTS.labels("lost").inc()


def _count_dropped(reason: str, count: int) -> None:
    metrics.SIGHTINGS_DROPPED.labels(reason).inc(count)
