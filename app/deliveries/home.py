"""The directory in which files wait on one machine, and the name by which it is known.

The name lies in the directory itself: a machine that comes back under another host name, or a
second replica on the same volume, finds its files again.
"""

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.config import Settings
from app.errors import Unavailable

_NAME_FILE = ".home"
_NAME = re.compile(r"[0-9a-f]{32}")


class OutboxUnusable(Unavailable):
    """The directory cannot be written."""

    code = "outbox_unusable"


@dataclass(frozen=True, slots=True)
class Home:
    name: str
    directory: Path

    def folder(self, name: str) -> Path:
        """A directory for the files of one run, empty.

        Raises:
            OutboxUnusable: it cannot be made.
        """
        place = self.directory / name
        try:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise OutboxUnusable(f"{place} cannot be made: {error.strerror}") from error
        return place

    def sweep(self, before: datetime) -> int:
        """Remove what nobody has changed since then; how many directories it was."""
        swept = 0
        for place in self.directory.iterdir():
            if place.is_dir() and place.stat().st_mtime < before.timestamp():
                shutil.rmtree(place, ignore_errors=True)
                swept += 1
        return swept


def directory_of(settings: Settings) -> Path:
    directory = settings.deliveries.outbox or settings.service.data_dir.resolve() / "outbox"
    return directory.absolute()


def problem(directory: Path) -> str | None:
    """Why this process cannot use it, in a sentence; None when it can, or can make it."""
    nearest = next(one for one in (directory, *directory.parents) if one.exists())
    if nearest == directory and not directory.is_dir():
        return f"{directory} is no directory"
    if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
        return f"{nearest} cannot be written by this user"
    return None


def home(settings: Settings) -> Home:
    """This machine's; made when it is first asked for.

    Raises:
        OutboxUnusable: the directory cannot be made or written.
    """
    directory = directory_of(settings)
    place = directory / _NAME_FILE
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not place.exists():
            _name(place)
        name = place.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OutboxUnusable(f"deliveries.outbox {directory} cannot be used: {error}") from error
    if not _NAME.fullmatch(name):
        raise OutboxUnusable(f"{place} does not hold the name of an outbox: remove the file")
    return Home(name, directory)


def _name(place: Path) -> None:
    """Whoever links first gives the name; nobody reads a half-written one."""
    partial = place.with_name(f"{_NAME_FILE}.{secrets.token_hex(4)}")
    partial.write_text(secrets.token_hex(16), "ascii")
    with contextlib.suppress(FileExistsError):
        os.link(partial, place)
    partial.unlink()
