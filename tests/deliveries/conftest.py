"""A post office for files on the test's database, whose clock the test sets."""

import socket

import pytest
from app.alarms.mail import Mailer
from app.alert_settings import MailSettings
from app.audit.journal import Actor
from app.config import Settings
from app.deliveries import destination_commands, orders, sending, store
from app.deliveries.destination_commands import DestinationSpec
from app.deliveries.home import Home
from app.deliveries.orders import DeliveredFile, Order
from app.deliveries.sending import Post, Ways
from app.deliveries.to_mail import ToMail

BY = Actor("tests", "cli")


class Depot:
    """``ways`` may be changed; files lie in ``folder``."""

    def __init__(self, db, keys, now, folder):
        self.db, self.keys, self.now, self.folder = db, keys, now, folder
        self.outcomes = []
        settings = Settings.model_validate(
            {
                "service": {"data_dir": folder},
                "deliveries": {"allow_private_addresses": True, "inline_bytes_max": 1000},
            }
        )
        self.ways = sending.ways(settings)
        self.home = Home("a" * 32, folder / "outbox")

    @property
    def post(self):
        return Post(
            self.db, self.keys, self.home, self.ways, lambda: self.now,
            lambda kind, outcome: self.outcomes.append((kind, outcome)),
        )  # fmt: skip

    def mail_by(self, port, attachment_bytes_max=1000):
        rules = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "us@ex.com"}
        way = ToMail(Mailer(MailSettings.model_validate(rules)), attachment_bytes_max)
        self.ways = Ways(self.ways.carries | {"mail": way.carry}, self.ways.probes)

    def add(self, kind, name="far", **spec):
        spec = DestinationSpec(name=name, kind=kind, locale="en", **spec)
        with self.db.begin() as session:
            made = destination_commands.add(session, spec, keys=self.keys, actor=BY, now=self.now)
            return made.destination.id, made.secret

    def file(self, name="report.csv", content=b"a,b\n1,2\n", media_type="text/csv"):
        self.folder.mkdir(exist_ok=True)
        place = self.folder / name
        place.write_bytes(content)
        return DeliveredFile.of(place, media_type)

    def order(self, destination_id, *files, key="june", **more):
        order = Order(
            key,
            "June",
            files or [self.file()],
            {"rows": 1, "sums": {"charge": "2"}},
            "tests",
            **more,
        )
        with self.db.begin() as session:
            return orders.deliver(
                session, destination_id, order, home=self.home.name, now=self.now
            ).id

    def send(self):
        return sending.send_due(self.post)

    def delivery(self, delivery_id):
        with self.db.read() as session:
            return store.get_delivery(session, delivery_id)

    def attempts(self, delivery_id):
        with self.db.read() as session:
            return [one.outcome for one in reversed(store.list_attempts(session, delivery_id))]

    def probe(self, destination_id):
        with self.db.read() as session:
            found = store.get_destination(session, destination_id)
        return sending.probe(self.ways, found, self.keys, self.now)


@pytest.fixture
def depot(db, keys, now, tmp_path):
    return Depot(db, keys, now, tmp_path / "depot")


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
