"""All checks together, for the command line and for the console."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from app import schema
from app.admission.gate import Gate
from app.checks import data_dir
from app.checks.addresses import check_addresses
from app.checks.books import check_books
from app.checks.database import check_database
from app.checks.finding import Finding, failed, skipped
from app.checks.issuers import check_issuers
from app.checks.outbox import check_deliveries, check_outbox
from app.checks.redis_server import check_redis, check_revision
from app.checks.spool import check_spool
from app.checks.turns import check_turns
from app.config import Settings
from app.db import Database
from app.errors import ServiceError
from app.keys import Keys
from app.spool.spool import Spool
from app.tokens import issuers, known
from app.tokens import store as token_store
from app.tokens.fetch import Fetcher


class Surroundings(Protocol):
    """Who has them at hand: a command's desk, or a request's."""

    @property
    def settings(self) -> Settings: ...
    @property
    def db(self) -> Database: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def gate(self) -> Gate: ...
    @property
    def now(self) -> datetime: ...


Check = Callable[[Surroundings], Iterable[Finding]]


def examine(around: Surroundings, *, offline: bool) -> Iterator[Finding]:
    """Every finding, in the order of their ids but for the spool's; changes nothing.

    ``offline`` leaves out what calls other machines over HTTP.
    """
    yield data_dir.check_settings(around.settings)
    yield from data_dir.check_data_dir(around.settings)
    yield from _examine_stores(around)
    if data_dir.has_secret(around.settings):
        yield from _guarded("SA601", "spool", around, _spool)
    if not offline:
        yield from check_addresses(around.settings.public_url)
    if _has_todays_schema(around):
        yield from _examine_contents(around, offline=offline)
    else:
        yield skipped("SA500", "contents", "issuers, prices and books need today's tables")


def _examine_stores(around: Surroundings) -> Iterator[Finding]:
    settings = around.settings
    if _is_unborn(settings):
        yield skipped("SA101", "database", "there is none yet: `shareauth serve` makes it")
    else:
        yield from check_database(around.db)
    yield from check_redis(settings)


def _examine_contents(around: Surroundings, *, offline: bool) -> Iterator[Finding]:
    yield from _guarded("SA205", "revision", around, _revision)
    if not offline and data_dir.has_secret(around.settings):
        yield from _guarded("SA301", "issuers", around, _issuers)
    yield from _guarded("SA500", "contents", around, _books)
    yield from _guarded("SA701", "finishes", around, _turns)
    yield from _guarded("SA801", "outbox", around, _outbox)


def _revision(around: Surroundings) -> Iterable[Finding]:
    return [check_revision(around.db, around.gate, redis_answers=around.gate.ping())]


def _issuers(around: Surroundings) -> Iterable[Finding]:
    fetch = Fetcher(allow_private=around.settings.identity.allow_private_jwks)
    configured = issuers.parse_configured(around.settings.issuers)
    with around.db.read() as session:
        rows = token_store.list_issuers(session)
    return check_issuers(known.join(rows, configured, keys=around.keys), fetch)


def _spool(around: Surroundings) -> Iterable[Finding]:
    settings = around.settings
    spool = Spool(settings.spool_directory, keys=around.keys, bytes_max=settings.spool.bytes_max)
    return check_spool(spool, now=around.now)


def _books(around: Surroundings) -> Iterable[Finding]:
    with around.db.read() as session:
        currency = around.settings.billing.currency
        return list(check_books(session, currency=currency, now=around.now))


def _turns(around: Surroundings) -> Iterable[Finding]:
    with around.db.read() as session:
        return [check_turns(session, zone=around.settings.zone, now=around.now)]


def _outbox(around: Surroundings) -> Iterable[Finding]:
    with around.db.read() as session:
        return [check_outbox(around.settings), *check_deliveries(session)]


def _guarded(id_: str, check: str, around: Surroundings, run: Check) -> Iterator[Finding]:
    """A check that cannot even run is a finding too; the others go on."""
    try:
        yield from run(around)
    except ServiceError as error:
        yield failed(id_, check, error.message, "Correct this first, then run the doctor again.")


def _is_unborn(settings: Settings) -> bool:
    """No SQLite file yet; merely connecting would make one."""
    path = sa.make_url(settings.database_url).database
    return settings.database.url is None and not Path(path or "").exists()


def _has_todays_schema(around: Surroundings) -> bool:
    if _is_unborn(around.settings):
        return False
    try:
        return schema.serves(schema.current(around.db))
    except ServiceError:
        return False
