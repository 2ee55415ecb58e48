"""An archive on the disk: a Parquet file of one month's lines, and its manifest beside it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app import disk
from app.archives import parquet
from app.archives.parquet import ArchiveDamaged
from app.archives.tally import Tally
from app.errors import Conflict, Unavailable
from app.metering.months import month_text

FORMAT = "shareauth-usage-lines/1"
_FACTS = tuple(Tally().facts())


class ArchivePlaceTaken(Conflict):
    """There is a file of that name already."""

    code = "place_taken"


class ArchivePlaceUnwritable(Unavailable):
    """The files cannot be written there: no room, or not allowed."""

    code = "place_unwritable"


class ArchiveDiffers(ArchiveDamaged):
    """The file is whole, but not what its manifest or the database says of it."""

    code = "archive_differs"


def name_of(month: int, part: int) -> str:
    return f"usage-lines-{month_text(month)}{f'-part{part}' if part > 1 else ''}.parquet"


def manifest_place(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def write(
    place: Path, pages: Iterable[Sequence[Mapping[str, Any]]], described: Mapping[str, Any]
) -> dict[str, Any]:
    """Write lines and manifest, read the lines back, and have both on the disk; the manifest.

    ``described`` is what the manifest says besides. They appear when all is whole.

    Raises:
        ArchivePlaceTaken: there is something.
        ArchivePlaceUnwritable: they cannot be written there.
        ArchiveDiffers: what was read back is not what was written.
    """
    beside = manifest_place(place)
    for taken in (place, beside):
        if taken.exists():
            raise ArchivePlaceTaken(f"{taken} exists: move it away, or name another directory")
    partial, partial_beside = (path.with_name(f".{path.name}.partial") for path in (place, beside))
    written = Tally()
    try:
        partial.touch(mode=0o600)
        parquet.write(partial, _counted(pages, written))
        disk.sync(partial)
        if tally_of(partial) != (facts := written.facts()):
            raise ArchiveDiffers(
                f"{partial} does not read back as it was written: look at the disk"
            )
        manifest = {
            **described,
            "file": place.name,
            **facts,
            "size_bytes": partial.stat().st_size,
            "sha256": disk.sha256(partial),
        }
        partial_beside.touch(mode=0o600)
        partial_beside.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        disk.sync(partial_beside)
        partial.rename(place)
        partial_beside.rename(beside)
        disk.sync(place.parent)
    except OSError as error:
        raise ArchivePlaceUnwritable(f"cannot write {place}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
        partial_beside.unlink(missing_ok=True)
    return manifest


def tally_of(place: Path) -> dict[str, Any]:
    """The facts of a file's lines, each of them read.

    Raises:
        ArchiveDamaged: it cannot be read.
    """
    tally = Tally()
    for page in parquet.read(place):
        tally.add(page)
    return tally.facts()


def facts_in(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of the lines, to be compared with a tally."""
    return {name: manifest.get(name) for name in _FACTS}


def check(place: Path, manifest: Mapping[str, Any]) -> None:
    """Compare a file, byte by byte and line by line, with the manifest that the database has.

    Raises:
        ArchiveDamaged: it is not there or cannot be read.
        ArchiveDiffers: it, or the manifest beside it, is another one.
    """
    try:
        if disk.sha256(place) != manifest["sha256"]:
            raise ArchiveDiffers(f"{place} is not the file the database has a manifest of")
        beside = json.loads(manifest_place(place).read_text("utf-8"))
    except OSError as error:
        raise ArchiveDamaged(f"{error.filename or place}: {error.strerror}") from None
    except ValueError:
        beside = None
    if beside != manifest:
        raise ArchiveDiffers(f"{manifest_place(place)} is not the manifest that the database has")
    if tally_of(place) != facts_in(manifest):
        raise ArchiveDiffers(f"{place} has other lines than its manifest says")


def _counted(
    pages: Iterable[Sequence[Mapping[str, Any]]], tally: Tally
) -> Iterable[Sequence[Mapping[str, Any]]]:
    for page in pages:
        tally.add(page)
        yield page
