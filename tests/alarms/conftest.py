"""A post office on the test's database, whose clock the test sets."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from app.alarms import delivering, sending
from app.alarms.delivering import Post
from app.alarms.mail import Mailer
from app.alarms.sending import Sender
from app.alerts import destination_commands, notices, store
from app.alerts.conditions import Rulebook
from app.alerts.destination_commands import DestinationSpec
from app.alerts.models import Delivery
from app.alerts.notices import Observation
from app.audit.journal import Actor
from app.config import Settings
from app.outbound import Outbound

BY = Actor("tests", "cli")


class Office:
    def __init__(self, db, keys, now):
        self.db, self.keys, self.now = db, keys, now
        self.outcomes = []
        call = Outbound(sending.BOUNDS, sending.PERMITTED_BY, allow_private=True)
        self.sender = Sender(keys, call, Mailer(Settings().mail))

    @property
    def post(self):
        return Post(self.db, self.sender, lambda: self.now, lambda *o: self.outcomes.append(o))

    def add(self, name="ops", kind="webhook", **spec):
        spec = DestinationSpec(name=name, kind=kind, **spec)
        with self.db.begin() as session:
            made = destination_commands.add(session, spec, keys=self.keys, actor=BY, now=self.now)
        return made.secret

    def open(self, *subjects, name="demo"):
        facts = {"percent": 80, "used": "8", "limit": "10", "period": "month"}
        seen = [
            Observation("budget", one, name, "warning", facts) for one in subjects or ["link:3"]
        ]
        with self.db.begin() as session:
            notices.record(session, seen, watched=["budget"], rules=Rulebook({}), now=self.now)

    def deliver(self):
        with ThreadPoolExecutor(2) as pool:
            return delivering.deliver(self.post, pool)

    def deliveries(self):
        with self.db.read() as session:
            return list(reversed(store.list_deliveries(session)))

    def delivery(self) -> Delivery:
        (one,) = self.deliveries()
        return one


@pytest.fixture
def office(db, keys, now):
    return Office(db, keys, now)
