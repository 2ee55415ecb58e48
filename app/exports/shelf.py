"""The files that jobs have made, on the machine whose worker made them: a folder for each job."""

import re
import shutil
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.errors import Conflict, NotFound

DIRECTORY = "exports"
_NUMBER = re.compile(r"[0-9]{1,19}")


class ExportElsewhere(Conflict):
    """The files lie on another machine."""

    code = "export_elsewhere"


class ExportGone(NotFound):
    """The files were removed, or their time is over."""

    code = "export_gone"


@dataclass(frozen=True, slots=True)
class Shelf:
    """``root`` is the folder of all jobs' folders."""

    root: Path

    def folder(self, job_id: int) -> Path:
        return self.root / str(job_id)

    def has(self, job_id: int) -> bool:
        return self.folder(job_id).is_dir()

    def find(self, job_id: int, result: dict[str, Any], name: str | None = None) -> Path:
        """A file of a job that is done; its first one when none is named.

        Raises:
            ExportElsewhere: another machine's worker made it.
            ExportGone: it is not here any more, or the job never made it.
        """
        files = [file["name"] for file in result["manifest"]["files"]]
        wanted = files[0] if name is None else name
        if wanted not in files:
            raise ExportGone(f"export {job_id} has no file {wanted!r}")
        place = self.folder(job_id) / wanted
        if place.is_file():
            return place
        if (host := result["host"]) != socket.gethostname() and not self.has(job_id):
            raise ExportElsewhere(
                f"the files of export {job_id} lie on {host}, whose worker made them: fetch them "
                "there, or send the export to a destination that you reach from anywhere, such as "
                "an S3 store: that machine sends it"
            )
        raise ExportGone(f"the files of export {job_id} were removed: ask for it again")

    def remove(self, job_id: int) -> bool:
        """Remove what a job made; False when nothing of it is here."""
        if not self.has(job_id):
            return False
        shutil.rmtree(self.folder(job_id))
        return True

    def prune(self, before: datetime) -> int:
        """Remove what was last written to before then; how many jobs' files."""
        if not self.root.is_dir():
            return 0
        old = [
            folder
            for folder in self.root.iterdir()
            if _NUMBER.fullmatch(folder.name) and _written_at(folder) < before
        ]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)


def shelf_in(data_dir: Path) -> Shelf:
    return Shelf(data_dir.resolve() / DIRECTORY)


def _written_at(folder: Path) -> datetime:
    times = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
    return datetime.fromtimestamp(max(times), UTC)
