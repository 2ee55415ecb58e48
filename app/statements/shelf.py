"""The archives of usage lines that were removed, as the books see them: what must add up anyway."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from sqlalchemy.orm import Session

from app.ledger.verify import Finding
from app.metering.events_digest import EventsDigest
from app.metering.lines import store as lines_store
from app.metering.models import UsageArchive
from app.metering.months import month_of, month_text
from app.money import format_nano


@dataclass(slots=True)
class Volume:
    """One archive, and the answers met so far whose lines lie in it."""

    row: UsageArchive
    met: EventsDigest = field(default_factory=EventsDigest)

    @property
    def name(self) -> str:
        return str(self.row.manifest["file"])

    def facts(self) -> dict[str, Any]:
        """Of the answers met, as the manifest has them."""
        return {
            "points": format_nano(self.met.points),
            "charge": format_nano(self.met.charge),
            "events_digest": self.met.hexdigest(),
        }

    def is_met(self) -> bool:
        facts = self.facts()
        return facts == {name: self.row.manifest.get(name) for name in facts}


class Shelf:
    """Which answers have their lines in an archive and not in the database."""

    def __init__(self, removed: Sequence[UsageArchive]) -> None:
        self.volumes = [Volume(row) for row in removed]
        self._by_month: dict[int, list[Volume]] = {}
        for volume in self.volumes:
            self._by_month.setdefault(volume.row.received_month, []).append(volume)

    @classmethod
    def load(cls, session: Session) -> Self:
        archives = lines_store.list_archives(session)
        return cls([row for row in archives if row.action == "removed"])

    def find(self, event_id: int, received_at: datetime) -> Volume | None:
        """The archive that has the lines of that answer; None while they are in the database."""
        if not self._by_month:
            return None
        for volume in self._by_month.get(month_of(received_at), ()):
            if volume.row.after_event < event_id <= volume.row.last_event:
                return volume
        return None

    def take(
        self, event_id: int, received_at: datetime, *, points: int, charge: int
    ) -> Volume | None:
        """Count an answer to the archive that has its lines, if there is one."""
        volume = self.find(event_id, received_at)
        if volume is not None:
            volume.met.add(event_id, points, charge)
        return volume

    def findings(self) -> Iterator[Finding]:
        """Once all answers have been taken: archives that have the lines of other ones."""
        for volume in self.volumes:
            if volume.is_met():
                continue
            said, found = volume.row.manifest, volume.facts()
            yield Finding(
                "archive_differs",
                f"The answers of {month_text(volume.row.received_month)} add up to "
                f"{found['points']} points and {found['charge']}, or to others than those whose "
                f"lines were archived in {volume.name}: {said['points']} and {said['charge']}. "
                "Compare usage_events with a backup; `shareauth archives verify` reads the file.",
                {"archive": volume.row.id, "file": volume.name},
            )
