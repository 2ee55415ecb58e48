"""Delivers into a directory below the one that the settings allow, never outside of it.

Every step from the root down is opened by itself and must not be a link, so that nobody who may
write somewhere below can lead files elsewhere. A file appears under its name when it is whole.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.deliveries.address import Address
from app.deliveries.carrying import Consignment, NotTaken

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
_PROBE = "shareauth-test.txt"


@dataclass(frozen=True, slots=True)
class ToDirectory:
    root: Path

    def carry(self, sent: Consignment) -> str:
        """Write the files, the manifest last: who sees it sees all."""
        with self._opened(sent.address.path) as folder:
            for file in sent.files:
                _put(folder, file.name, sent.chunks(file))
            _put(folder, sent.manifest_name, [sent.manifest_bytes])
        return str(self.root / sent.address.path / sent.manifest_name)

    def probe(self, address: Address, now: datetime) -> str:
        with self._opened(address.path) as folder:
            _put(folder, _PROBE, [f"shareauth test {now.isoformat()}\n".encode()])
            try:
                os.unlink(_PROBE, dir_fd=folder)
            except OSError as error:
                raise NotTaken(f"a file there cannot be removed: {error.strerror}") from error
        return f"A small file was written to {self.root / address.path} and removed again."

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        at = self.root
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise NotTaken(
                f"deliveries.root {self.root} cannot be used: {error.strerror}"
            ) from error
        try:
            for name in path.split("/"):
                at = at / name
                folder = _step(folder, name, at)
            yield folder
        finally:
            os.close(folder)


def _step(folder: int, name: str, at: Path) -> int:
    """The directory of that name, made if it is missing; ``folder`` is closed when it is open."""
    try:
        if name in {"", ".", ".."}:
            raise NotTaken(f"{at} leads out of deliveries.root", is_final=True)
        try:
            os.mkdir(name, mode=0o750, dir_fd=folder)
        except FileExistsError:
            if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise NotTaken(f"{at} is a symbolic link, and none is followed") from None
        inside = os.open(name, _STEP, dir_fd=folder)
    except OSError as error:
        raise NotTaken(f"{at} cannot be used: {error.strerror}") from error
    os.close(folder)
    return inside


def _put(folder: int, name: str, pieces: Iterable[bytes]) -> None:
    """The file, whole on the disk before it has its name."""
    partial = f".{name}.partial"
    try:
        if _is_link(folder, name):
            raise NotTaken(f"{name} there is a symbolic link, and none is replaced")
        with os.fdopen(os.open(partial, _NEW, 0o640, dir_fd=folder), "wb") as out:
            for piece in pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError as error:
        raise NotTaken(f"{name} cannot be written there: {error.strerror}") from error


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
