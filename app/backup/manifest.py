"""What lies beside a backup: what it is of, what must be found in it, and how to know the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import disk
from app.backup import sqlite_files
from app.errors import Invalid

FORMAT = "shareauth-backup/1"


class BackupDiffers(Invalid):
    """The file is not the one its manifest speaks of, or the manifest cannot be read."""

    code = "backup_differs"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy of the database holds, as the ledger's verification found it.

    ``schema`` is the migration, ``revision`` the number of the last change of an operator.
    """

    schema: str
    revision: int
    heads: str
    findings: int
    counts: Mapping[str, int]
    sums: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema,
            "revision": self.revision,
            "heads": self.heads,
            "findings": self.findings,
            "counts": dict(self.counts),
            "sums": dict(self.sums),
        }


def place_of(backup: Path) -> Path:
    return sqlite_files.companion(backup, ".json")


def text_of(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2) + "\n"


def compare(backup: Path) -> dict[str, Any] | None:
    """The manifest beside a backup, once the file agrees with it; None when there is none.

    Raises:
        BackupDiffers: size or digest are others, or the manifest is none of ours.
    """
    place = place_of(backup)
    try:
        manifest = json.loads(place.read_text("utf-8"))
        expected = (manifest["format"], manifest["size_bytes"], manifest["sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDiffers(f"the manifest {place} cannot be read: {error}") from None
    found = (FORMAT, backup.stat().st_size, disk.sha256(backup))
    if found != expected:
        raise BackupDiffers(
            f"{backup} is not the file its manifest {place.name} speaks of: it was changed or "
            "damaged since. Take another backup, or move the manifest away to use it all the same."
        )
    return dict(manifest)
