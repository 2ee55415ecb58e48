"""Several files written together: a directory or a ZIP archive that appears when all are whole."""

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from app.errors import Conflict, Unavailable

ARCHIVE = ".zip"

Open = Callable[[str], contextlib.AbstractContextManager[IO[bytes]]]


class PlaceTaken(Conflict):
    """There is something where the files are to be written."""

    code = "place_taken"


class PlaceUnwritable(Unavailable):
    """The files cannot be written there: no such directory, no room, not allowed."""

    code = "place_unwritable"


class Bundle:
    """Files that are written one after the other; ``digests`` has the SHA-256 of each so far."""

    def __init__(self, open_file: Open) -> None:
        self._open = open_file
        self.digests: dict[str, str] = {}

    def write(self, name: str, text: bytes) -> None:
        with self.lines(name) as put:
            put(text)

    @contextlib.contextmanager
    def lines(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """What puts the next bytes into a new file."""
        digest = hashlib.sha256()
        with self._open(name) as file:

            def put(text: bytes) -> None:
                file.write(text)
                digest.update(text)

            yield put
        self.digests[name] = digest.hexdigest()


@contextlib.contextmanager
def writing(place: Path) -> Iterator[Bundle]:
    """A bundle at ``place``, which is an archive when its name ends in ``.zip``.

    For its owner's eyes only. When anything fails, nothing is left behind.

    Raises:
        PlaceTaken: something is there already.
        PlaceUnwritable: it cannot be written there.
    """
    if place.exists():
        raise PlaceTaken(f"{place} exists: name another place, or move it away")
    partial = place.with_name(f".{place.name}.partial")
    try:
        _remove(partial)
        if place.suffix == ARCHIVE:
            with _archive(partial) as bundle:
                yield bundle
        else:
            partial.mkdir(mode=0o700)
            yield Bundle(lambda name: (partial / name).open("wb"))
            _sync([*partial.iterdir(), partial])
        partial.rename(place)
        _sync([place.parent])
    except OSError as error:
        raise PlaceUnwritable(f"cannot write {place}: {error.strerror}") from error
    finally:
        _remove(partial)


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[Bundle]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            yield Bundle(lambda name: archive.open(name, "w", force_zip64=True))
        file.flush()
        os.fsync(file.fileno())


def _sync(paths: Sequence[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
