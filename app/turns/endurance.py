"""How long visitors are let in while the database is away, and on what."""

from dataclasses import replace
from typing import Literal

from app import revision
from app.admission.gate import Ask
from app.db import Database

OnOutage = Literal["serve", "refuse", "admit"]


class Endurance:
    """The operator's word on init and start during an outage of the database.

    ``serve`` goes on with what this process and the gate hold, ``refuse`` lets nobody in,
    ``admit`` also takes questions whose balance or quotas only the database knows. Nothing of it
    concerns ``finish``, which is spooled.
    """

    def __init__(self, *, db: Database, on_outage: OnOutage, lasts_s: float) -> None:
        """``lasts_s``: after so long an outage nobody is let in, whatever ``on_outage`` says."""
        self._db = db
        self._on_outage = on_outage
        self._lasts_s = lasts_s

    def check(self) -> None:
        """Refuse when the outage has lasted too long, unless it turns out to be over.

        Raises:
            DatabaseAway: nobody is let in.
        """
        away_for_s = self._db.outage.lasts_s()
        if away_for_s is None:
            return
        if self._on_outage != "refuse" and away_for_s < self._lasts_s:
            return
        with self._db.read() as session:
            revision.current(session)

    def unbooked(self, ask: Ask) -> Ask | None:
        """The same question asked of what the gate alone can count; None where that may not be."""
        if self._on_outage != "admit":
            return None
        return replace(
            ask,
            is_free=True,
            visitor=ask.visitor.without_quotas(),
            link=ask.link.without_quotas(),
            guests=None if ask.guests is None else ask.guests.without_quotas(),
        )
