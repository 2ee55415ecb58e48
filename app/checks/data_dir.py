"""SA0xx: the settings and the data directory."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from app.checks.finding import Finding, failed, ok, warning
from app.config import Settings
from app.first_start import SECRET_FILE

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_settings(settings: Settings) -> Finding:
    """SA001: reaching this point means that the settings could be read."""
    database = "given database" if settings.database.url else "SQLite"
    redis = "given Redis" if settings.redis.url else "bundled Valkey"
    shape = "production" if settings.is_production else "embedded"
    return ok("SA001", "settings", f"complete: {shape} ({database}, {redis})")


def check_data_dir(settings: Settings) -> Iterator[Finding]:
    """SA002: the directory can be written; SA003: nobody else reads the secrets in it."""
    directory = settings.service.data_dir
    if not directory.is_dir():
        if settings.database.url is not None:
            yield ok("SA002", "data directory", f"{directory} is made when the service starts")
        else:
            yield failed(
                "SA002",
                "data directory",
                f"{directory} does not exist",
                "Start the service once with `shareauth serve`, or point --data-dir at its data.",
            )
        return
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield failed(
            "SA002",
            "data directory",
            f"{directory} cannot be written by this user",
            f"Run as the user of the service, or give {directory} to this one.",
        )
        return
    yield ok("SA002", "data directory", f"{directory.resolve()} can be written")
    yield (
        _check_secrecy(directory)
        if has_secret(settings)
        else failed(
            "SA003",
            "secrets",
            f"{directory / SECRET_FILE} is missing",
            "Put it back from a backup: without it tokens and link keys cannot be read. On a data "
            "directory that was never used, `shareauth serve` makes it.",
        )
    )


def has_secret(settings: Settings) -> bool:
    """Whether the service's secret is there; asking for it would make a new one."""
    given = settings.service.secret_key is not None
    return given or (settings.service.data_dir / SECRET_FILE).exists()


def _check_secrecy(directory: Path) -> Finding:
    """Backups and other people's accounts must not get at the secret that seals everything."""
    open_files = [
        path.name
        for path in sorted(directory.iterdir())
        if path.is_file() and "secret" in path.name and path.stat().st_mode & OTHERS
    ]
    if open_files:
        names = ", ".join(open_files)
        return failed(
            "SA003",
            "secrets",
            f"other users may read {names}",
            f"Run: chmod 600 {' '.join(str(directory / name) for name in open_files)}",
        )
    if directory.stat().st_mode & stat.S_IWOTH:
        return warning(
            "SA003",
            "secrets",
            f"everybody may write to {directory}",
            f"Run: chmod 700 {directory}",
        )
    return ok("SA003", "secrets", "only this user can read them")
