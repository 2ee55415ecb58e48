"""Books whose usage lines are archived, removed and put back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from app.archives import creating, files, removing
from app.archives.creating import Wanted
from app.audit.journal import Actor
from app.db import Database
from app.metering.models import UsageArchive, UsageLine
from app.turns.settle import Recorded, settle_turns

from turn_builders import RULES, Stage

NAME = "usage-lines-2026-01.parquet"
ACTOR = Actor("alice", "cli")
JANUARY = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
FEBRUARY = JANUARY + timedelta(minutes=1)


@dataclass
class Library:
    """The books, and the directory of their archives."""

    stage: Stage
    directory: Path

    @property
    def db(self) -> Database:
        return self.stage.db

    def settle(self, name: str, received_at: datetime, **changes: Any) -> Recorded:
        turn = self.stage.turn(name, sum(name.encode()) % 3, received_at=received_at, **changes)
        return self.db.run(lambda session: settle_turns(session, [turn], RULES)[0])

    def create(self, before: int = 202602) -> list[UsageArchive]:
        wanted = Wanted(self.directory, ACTOR, "test", "0001", self.stage.now)
        return creating.create(self.db, wanted, before=before)

    def remove(self, before: int = 202602, oldest_kept: int = 202603) -> list[UsageArchive]:
        return removing.remove(
            self.db,
            self.directory,
            before=before,
            oldest_kept=oldest_kept,
            actor=ACTOR,
            now=self.stage.now,
        )

    def restore(self, name: str) -> UsageArchive:
        return removing.restore(self.db, self.directory / name, actor=ACTOR, now=self.stage.now)

    def lines(self, month: int | None = None) -> list[dict[str, Any]]:
        table = UsageLine.__table__
        asked = sa.select(table).order_by(table.c.event_id, table.c.position)
        if month is not None:
            asked = asked.where(table.c.received_month == month)
        with self.db.read() as session:
            return [dict(row) for row in session.execute(asked).mappings()]

    def corrupt(self, statement: str) -> None:
        """Change rows as somebody could who owns the database."""
        with self.db.begin() as session:
            connection = session.connection()
            if self.db.dialect == "sqlite":
                triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                for (name,) in connection.exec_driver_sql(triggers).all():
                    connection.exec_driver_sql(f"DROP TRIGGER {name}")
            else:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(statement)


def flip(place) -> None:
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)


SPOILED = {
    "gone": lambda place: place.unlink(),
    "a bit": flip,
    "cut": lambda place: place.write_bytes(place.read_bytes()[:-9]),
    "no manifest": lambda place: files.manifest_place(place).unlink(),
    "another manifest": lambda place: files.manifest_place(place).write_text("{}"),
    "no JSON": lambda place: files.manifest_place(place).write_text("{"),
}
