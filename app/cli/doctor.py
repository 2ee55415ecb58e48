"""``shareauth doctor``: everything the service needs, checked from where it stands."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
import sqlalchemy as sa
from rich.table import Table

from app import config, schema
from app.cli.checks import data_dir
from app.cli.checks.addresses import check_addresses
from app.cli.checks.books import check_books
from app.cli.checks.database import check_database
from app.cli.checks.finding import Finding, failed, skipped
from app.cli.checks.issuers import check_issuers
from app.cli.checks.redis_server import check_redis, check_revision
from app.cli.checks.spool import check_spool
from app.cli.checks.turns import check_turns
from app.cli.frame import Command, Report
from app.cli.output import cell
from app.cli.session import Desk
from app.config import Settings, SettingsError
from app.errors import ServiceError
from app.spool.spool import Spool
from app.tokens import known
from app.tokens import store as token_store
from app.tokens.fetch import Fetcher

Check = Callable[[Desk], Iterable[Finding]]


@click.command("doctor", cls=Command, example="shareauth doctor")
@click.option("--offline", is_flag=True, help="Leave out what calls other machines over HTTP.")
def doctor(*, offline: bool) -> Report:
    """Check what the service needs, and say what to do about each thing that is wrong.

    Settings, data directory, database, Redis, the spool, issuers' keys, the address FastGPT is
    given, prices, links, the ledger, reports and missing finishes. Changes nothing. Ends with exit
    code 1 when something has failed; a warning is not a failure.
    """
    findings = list(_examine(offline=offline))
    is_ok = all(finding.status != "failed" for finding in findings)
    data = {"ok": is_ok, "findings": [asdict(finding) for finding in findings]}
    return Report(data, [_table(findings), "", _summary(findings)], exit_code=0 if is_ok else 1)


def _examine(*, offline: bool) -> Iterator[Finding]:
    try:
        desk = Desk(config.load())
    except SettingsError as error:
        yield failed("SA001", "settings", error.message, "Correct them; see config.example.toml.")
        return
    try:
        yield data_dir.check_settings(desk.settings)
        yield from data_dir.check_data_dir(desk.settings)
        yield from _examine_stores(desk)
        if data_dir.has_secret(desk.settings):
            yield from _guarded("SA601", "spool", desk, _spool)
        if not offline:
            yield from check_addresses(desk.settings.public_url)
        if _has_todays_schema(desk):
            yield from _examine_contents(desk, offline=offline)
        else:
            yield skipped("SA500", "contents", "issuers, prices and books need today's tables")
    finally:
        desk.close()


def _examine_stores(desk: Desk) -> Iterator[Finding]:
    settings = desk.settings
    if _is_unborn(settings):
        yield skipped("SA101", "database", "there is none yet: `shareauth serve` makes it")
    else:
        yield from check_database(desk.db)
    yield from check_redis(settings)


def _examine_contents(desk: Desk, *, offline: bool) -> Iterator[Finding]:
    yield from _guarded("SA205", "revision", desk, _revision)
    if not offline and data_dir.has_secret(desk.settings):
        yield from _guarded("SA301", "issuers", desk, _issuers)
    yield from _guarded("SA500", "contents", desk, _books)
    yield from _guarded("SA701", "finishes", desk, _turns)


def _revision(desk: Desk) -> Iterable[Finding]:
    return [check_revision(desk.db, desk.gate, redis_answers=desk.gate.ping())]


def _issuers(desk: Desk) -> Iterable[Finding]:
    fetch = Fetcher(allow_private=desk.settings.identity.allow_private_jwks)
    with desk.db.read() as session:
        rows = token_store.list_issuers(session)
    return check_issuers(known.join(rows, desk.configured_issuers, keys=desk.keys), fetch)


def _spool(desk: Desk) -> Iterable[Finding]:
    settings = desk.settings
    spool = Spool(settings.spool_directory, keys=desk.keys, bytes_max=settings.spool.bytes_max)
    return check_spool(spool, now=desk.now)


def _books(desk: Desk) -> Iterable[Finding]:
    with desk.db.read() as session:
        currency = desk.settings.billing.currency
        return list(check_books(session, currency=currency, now=desk.now))


def _turns(desk: Desk) -> Iterable[Finding]:
    with desk.db.read() as session:
        return [check_turns(session, zone=desk.settings.zone, now=desk.now)]


def _guarded(id_: str, check: str, desk: Desk, run: Check) -> Iterator[Finding]:
    """A check that cannot even run is a finding too; the others go on."""
    try:
        yield from run(desk)
    except ServiceError as error:
        yield failed(id_, check, error.message, "Correct this first, then run the doctor again.")


def _is_unborn(settings: Settings) -> bool:
    """No SQLite file yet; merely connecting would make one."""
    path = sa.make_url(settings.database_url).database
    return settings.database.url is None and not Path(path or "").exists()


def _has_todays_schema(desk: Desk) -> bool:
    if _is_unborn(desk.settings):
        return False
    try:
        return schema.serves(schema.current(desk.db))
    except ServiceError:
        return False


def _table(findings: list[Finding]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("id", "check", "status", "what was found"):
        shown.add_column(heading, no_wrap=heading in {"id", "status"}, overflow="fold")
    for finding in findings:
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        said = cell(finding.message + advice)
        shown.add_row(cell(finding.id), cell(finding.check), cell(finding.status), said)
    return shown


def _summary(findings: list[Finding]) -> str:
    counts = {
        status: sum(finding.status == status for finding in findings)
        for status in ("failed", "warning")
    }
    if not any(counts.values()):
        return "All is well."
    return f"{counts['failed']} failed, {counts['warning']} warnings: each says what to do."
