"""Whether files are what their manifest says, and whether the books still give the same."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app import disk
from app.db import Database
from app.exports import writing
from app.exports.order import ManifestInvalid, Order, order_of
from app.exports.usage.store import Archived
from app.exports.writing import MANIFEST, How, Note

COMPARED = ("rows", "sums", "content_sha256")


def load(place: Path) -> dict[str, Any]:
    """Raises: ManifestInvalid."""
    try:
        told = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestInvalid(f"{place} cannot be read as a manifest: {error}") from None
    if not isinstance(told, dict):
        raise ManifestInvalid(f"{place} is no manifest of an export")
    return told


def check_files(folder: Path, told: Mapping[str, Any]) -> list[str]:
    """What is wrong with the files, in sentences; none when all are right.

    Raises:
        ManifestInvalid: it names no files.
    """
    try:
        return list(_wrong(folder, told))
    except (KeyError, TypeError):
        raise ManifestInvalid("this is no manifest of an export: it names no files") from None


def _wrong(folder: Path, told: Mapping[str, Any]) -> Iterator[str]:
    for file in told["files"]:
        place = folder / file["name"]
        if not place.resolve().is_relative_to(folder.resolve()):
            yield f"{file['name']} is outside of the manifest's folder"
        elif not place.is_file():
            yield f"{file['name']} is not there"
        elif place.stat().st_size != file["bytes"]:
            yield f"{file['name']} has {place.stat().st_size} bytes, not {file['bytes']}"
        elif disk.sha256(place) != file["sha256"]:
            yield f"{file['name']} has other contents"
    if sum(file["rows"] for file in told["files"]) != told["rows"]:
        yield "the rows of the files do not add up to those of the manifest"


def check_books(
    db: Database, told: Mapping[str, Any], archives: Archived, note: Note = lambda _: None
) -> list[str]:
    """Make the export anew, keeping nothing, and compare: what differs, in sentences.

    Raises:
        ManifestInvalid: it tells of no order, or of one without a position.
    """
    order = order_of(told)
    if not order.scope.is_fixed:
        raise ManifestInvalid("the manifest has no position: it cannot be made again")
    base = base_of(order, told)
    how = How(base=base, note=note, is_flat=base is not None)
    made = writing.again(db, order, archives, how)
    differing = [
        f"{name} of the books: {made[name]}, of the manifest: {told[name]}"
        for name in COMPARED
        if made[name] != told[name]
    ]
    if not differing and made["files"] != told["files"]:
        return ["the rows are the same, but another version of the program writes other bytes"]
    return differing


def base_of(order: Order, told: Mapping[str, Any]) -> str | None:
    """By what name its files were written, when it was another than their own."""
    name: str = told["files"][0]["name"]
    if "/" in name or not name.endswith(order.suffix):
        return None
    return name.removesuffix(order.suffix)


def manifests(folder: Path) -> list[Path]:
    """Those that lie in a folder."""
    return sorted(folder.glob(f"*{MANIFEST}"))
