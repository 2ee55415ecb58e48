"""``shareauth db backup``, ``restore`` and ``after-restore``."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from app import __version__, config, embedded
from app.backup import creating, restoring
from app.backup.manifest import place_of
from app.backup.sqlite_files import Progress, path_of
from app.cli.frame import Command, Report
from app.cli.output import card
from app.cli.session import Desk, with_desk
from app.first_start import held
from app.spool.spool import Spool
from app.statements import verification

GATE_AWAY = (
    "Redis does not answer and may hold balances of the replaced books: start it, then run "
    "`shareauth db after-restore` before the service."
)


@click.command(
    "backup",
    cls=Command,
    example="shareauth db backup /backups/shareauth-2026-12-01.sqlite3",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), help="Where it is to lie.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def backup(file: Path, *, force: bool) -> Report:
    """Copy the SQLite database to FILE while the service runs, and check the copy.

    One moment of it, whoever writes meanwhile. Every page is read and the ledger derived anew; what
    was found lies beside it in FILE.json: size, SHA-256, migration, and the heads as `ledger
    verify` prints them. Ends with exit code 1 when the ledger in it does not add up. The secret key
    is not in it: keep that elsewhere. A PostgreSQL database is backed up with its own tools, see
    docs/operations.md.
    """
    settings = config.load()
    desk = Desk(settings)
    with _progress() as on_progress:
        made = creating.create(
            settings.database_url,
            file,
            zone=settings.zone,
            software=f"shareauth {__version__}",
            now=desk.now,
            overwrite=force,
            on_progress=on_progress,
        )
    data = {"place": str(made.place), "manifest_place": str(place_of(made.place)), **made.manifest}
    shown = {name: data[name] for name in ("place", "size_bytes", "sha256", "schema", "heads")}
    said = "The database is copied, and its ledger adds up."
    if not made.is_sound:
        said = (
            f"The database is copied, but {data['findings']} findings: `shareauth ledger verify`."
        )
    return Report(data, [said, card(shown)], exit_code=0 if made.is_sound else 1)


@click.command(
    "restore",
    cls=Command,
    example="shareauth db restore /backups/shareauth-2026-12-01.sqlite3 --yes",
)
@click.argument("file", type=click.Path(path_type=Path), help="What `db backup` wrote.")
@click.option("--yes", is_flag=True, help="Do it; without this, nothing happens.")
def restore(file: Path, *, yes: bool) -> Report:
    """Put a backup in the place of the SQLite database; the service must be stopped.

    The file is checked first: against its manifest, page by page, and its ledger. The replaced
    database is kept beside it. What Redis holds of it is dropped, and finishes that wait in the
    spool are charged when the service runs again. What was written to the database after the backup
    is lost, unless it still waits in the spool. Ends with exit code 1 when the restored ledger does
    not add up, or Redis could not be told.
    """
    settings = config.load()
    desk = Desk(settings)
    path_of(settings.database_url)
    if not yes:
        raise click.UsageError(
            "This puts an older database in the place of this one. Stop the service, then repeat "
            "it with --yes."
        )
    try:
        with held(settings.service.data_dir):
            done = restoring.restore(
                file,
                settings.database_url,
                zone=settings.zone,
                actor=desk.actor,
                now=desk.now,
                seen=_announced(desk),
            )
            is_told = _forget(desk)
    finally:
        desk.close()
    contents = done.contents
    data = {
        "restored": str(file),
        "kept": None if done.kept is None else str(done.kept),
        "manifest_found": done.is_known,
        "upgraded_from": done.upgraded_from,
        "gate_dropped": is_told,
        "waiting_in_spool": _waiting(desk),
        **contents.as_json(),
    }
    shown = [
        f"{file} is the database now.",
        card({name: data[name] for name in ("kept", "heads", "upgraded_from", "waiting_in_spool")}),
    ]
    return Report(data, [*shown, *_advice(data)], exit_code=0 if is_told and done.is_sound else 1)


@click.command("after-restore", cls=Command, example="shareauth db after-restore")
@with_desk
def after_restore(desk: Desk) -> Report:
    """Make everything around a PostgreSQL database that was restored agree with it again.

    To be run while the service is stopped everywhere, after pg_restore or a recovery to a point in
    time. Drops what Redis holds of later books, puts the books ahead of every worker's memory, and
    derives the whole ledger anew. Running it twice does no harm. `db restore` does the same for
    SQLite; there it is needed only when Redis did not answer. Ends with exit code 1 when the ledger
    does not add up, or Redis could not be told.
    """
    number = restoring.supersede(desk.db, seen=_announced(desk), actor=desk.actor, now=desk.now)
    is_told = _forget(desk)
    if is_told:
        desk.gate.announce(number)
    found = verification.verify(desk.db, zone=desk.settings.zone)
    data = {
        "revision": number,
        "gate_dropped": is_told,
        "waiting_in_spool": _waiting(desk),
        "findings": len(found.findings),
        "heads": found.heads,
    }
    shown = [card({name: data[name] for name in ("heads", "waiting_in_spool")})]
    return Report(data, [*shown, *_advice(data)], exit_code=0 if is_told and found.ok else 1)


def _announced(desk: Desk) -> int:
    """The revision that workers may have heard of; zero when nobody says."""
    return desk.gate.revision() or 0


def _forget(desk: Desk) -> bool:
    """Empty the gate; the bundled one begins empty, if it does not run."""
    if desk.settings.redis.url is not None:
        return desk.gate.forget()
    embedded.forget(desk.settings.service.data_dir)
    desk.gate.forget()
    return True


def _waiting(desk: Desk) -> int:
    settings = desk.settings
    directory = settings.spool_directory
    if not directory.exists():
        return 0
    return Spool(directory, keys=desk.keys, bytes_max=settings.spool.bytes_max).status().records


def _advice(data: dict[str, object]) -> Iterator[str]:
    if not data["gate_dropped"]:
        yield GATE_AWAY
    if data["findings"]:
        yield f"{data['findings']} findings in the ledger: `shareauth ledger verify` names them."
    if data["waiting_in_spool"]:
        yield (
            f"{data['waiting_in_spool']} finishes wait in this machine's spool: they are charged, "
            "each once, as soon as the service runs."
        )
    yield (
        "What was written after the backup was made is not in it: compare top-ups with your "
        "payments, and answers with FastGPT's log."
    )


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for people on stderr, which hides when the work is done."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich is only for people
    from rich.progress import Progress as Bar  # noqa: PLC0415 - likewise

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("copying", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
