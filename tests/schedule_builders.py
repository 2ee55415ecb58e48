"""Schedules on a test's database, and their work done by hand."""

from datetime import UTC, datetime

from app.audit.journal import Actor
from app.background.scheduled import site_of
from app.config import Settings
from app.deliveries import destination_commands, sending
from app.deliveries.destination_commands import DestinationSpec
from app.deliveries.home import home
from app.deliveries.sending import Post
from app.jobs import commands as jobs
from app.jobs.commands import JobSpec
from app.saved_views import commands as views
from app.saved_views.commands import Owner, ViewSpec
from app.schedules import commands, running, store
from app.schedules.commands import By, ScheduleSpec
from app.schedules.kinds import KINDS
from app.schedules.running import Workshop

BY = Actor("tests", "cli")
MONDAY = datetime(2026, 11, 23, 4, tzinfo=UTC)  # 12:00 in Shanghai


class Bureau:
    """Schedules on the test's database, and their work done by hand."""

    def __init__(self, db, keys, folder):
        self.db, self.keys, self.now = db, keys, MONDAY
        self.settings = Settings.model_validate({"service": {"data_dir": folder}})
        self.home = home(self.settings)
        self.folder = folder / "delivered"
        self.kinds = KINDS
        spec = DestinationSpec(name="disk", kind="directory", path="reports")
        with db.begin() as session:
            made = destination_commands.add(session, spec, keys=keys, actor=BY, now=self.now)
            self.destination_id = made.destination.id

    @property
    def by(self):
        return By(BY, "ann", self.now)

    def view(self, query="per=day&by=link&period=7d&zone=Europe/Berlin", page="usage"):
        spec = ViewSpec(page=page, name="Links: ämter", query=query)
        with self.db.begin() as session:
            return views.create(session, spec, owner=Owner("ann"), now=self.now).id

    def add(self, view_id, name="daily", **said):
        values = {"name": name, "kind": "report", "destination_ids": [self.destination_id]}
        values |= {"parameters": {"view_id": view_id, "locale": "en"}} | said
        with self.db.begin() as session:
            spec = ScheduleSpec.model_validate(values)
            return commands.add(session, spec, kinds=self.kinds, by=self.by).id

    def enqueue(self, session, run_id, actor):
        spec = JobSpec("scheduled", {"run_id": run_id})
        return jobs.enqueue(session, spec, actor=actor, now=self.now)

    def tick(self):
        return running.run_due(self.db, self.enqueue, self.kinds, self.now)

    def run_now(self, schedule_id):
        with self.db.begin() as session:
            return running.run_now(
                session,
                store.get(session, schedule_id),
                enqueue=self.enqueue,
                kinds=self.kinds,
                by=self.by,
            ).id

    def runs(self, schedule_id):
        with self.db.read() as session:
            return list(reversed(store.list_runs(session, schedule_id)))

    def make(self, run_id):
        shop = Workshop(
            self.db,
            self.home,
            self.kinds,
            site_of(self.settings),
            lambda: self.now,
            check=lambda: None,
        )
        ids = running.make(shop, run_id)
        post = Post(self.db, self.keys, self.home, sending.ways(self.settings), lambda: self.now)
        sending.send_due(post, ids)
        return ids
