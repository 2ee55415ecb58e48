"""The data directory: made private, given its secret once, and held by one service at a time."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from app.config import Settings
from app.errors import Conflict, Invalid

SECRET_FILE = "secret_key"  # noqa: S105 - the file's name
LOCK_FILE = "serve.lock"
SECRET_BYTES = 32
SECRET_CHARS_MIN = 32
POLL_S = 0.1


class DataDirUnusable(Invalid):
    """The data directory cannot be made, or what is in it cannot be used."""

    code = "data_dir_unusable"


class DataDirTaken(Conflict):
    """Another service runs on this data directory."""

    code = "data_dir_taken"


def prepare(data_dir: Path) -> Path:
    """The directory's absolute path; it is made for its owner only when it is missing.

    Raises:
        DataDirUnusable: it cannot be made or written to.
    """
    path = data_dir.resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirUnusable(f"service.data_dir {path}: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise DataDirUnusable(f"service.data_dir {path} cannot be written to by this user")
    return path


def secret_key(settings: Settings) -> str:
    """The service's secret: the one of the settings, else the data directory's.

    The first process that needs it makes it; any that come at the same moment take that one.

    Raises:
        DataDirUnusable: it cannot be written, read, or is damaged.
    """
    if settings.service.secret_key is not None:
        return settings.service.secret_key.get_secret_value()
    path = prepare(settings.service.data_dir) / SECRET_FILE
    try:
        if not path.exists():
            _write_once(path, secrets.token_hex(SECRET_BYTES))
        text = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise DataDirUnusable(f"the generated secret {path}: {error}") from None
    if len(text) < SECRET_CHARS_MIN:
        raise DataDirUnusable(
            f"the generated secret {path} is damaged: put it back from a backup, for tokens and "
            "link keys cannot be read without it"
        )
    return text


@contextlib.contextmanager
def held(data_dir: Path, *, patience_s: float = 0) -> Iterator[Path]:
    """Keep every other service off the directory while the block runs; yields its absolute path.

    The kernel lets go when this process and those it forked have ended, however they end. When the
    holder is dead but its workers are not, because it was killed, they get ``patience_s`` to finish
    the requests they have; their port is free then as well.

    Raises:
        DataDirTaken: another service holds it.
    """
    path = prepare(data_dir)
    descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, path, patience_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield path
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, patience_s: float) -> None:
    waited_s = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if waited_s >= patience_s or _is_alive(holder):
                raise DataDirTaken(
                    f"another service (pid {holder or 'unknown'}) runs on the data directory "
                    f"{path}: stop it, or choose another with DATA_DIR=… (service.data_dir)"
                ) from None
        else:
            return
        time.sleep(POLL_S)
        waited_s += POLL_S


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True


def _write_once(path: Path, text: str) -> None:
    """Write a private file whole, or leave the one that another process wrote first.

    A link appears at once and never replaces a file, so nobody reads half a secret.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode("ascii"))
        os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # data sealed with the secret must not outlive it in a power cut
    finally:
        os.close(directory)
