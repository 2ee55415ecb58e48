"""Exports in the background: whole, whatever becomes of the worker that makes them."""

import socket
from datetime import timedelta
from types import SimpleNamespace

import pytest
from app.audit.journal import Actor
from app.background import export
from app.background.handlers import enqueue
from app.background.runner import Runner
from app.config import Settings
from app.exports import verifying, writing
from app.exports.shelf import ExportElsewhere, ExportGone, shelf_in
from app.jobs import commands, store
from app.jobs.leases import LEASE

from export_builders import SINCE, UNTIL, fill
from export_builders import export as exported
from export_builders import order as ordered

ACTOR = Actor("alice", "api")


class Killed(BaseException):
    """As a process ends: nothing is tidied up."""


class Works:
    """Books, and a worker for exports of pages of four rows, noted one by one."""

    def __init__(self, db, now, folder, monkeypatch):
        fill(db, now, number=30)
        self.db, self.now, self.folder = db, now, folder
        service = {"data_dir": folder, "public_url": "https://auth.example"}
        settings = Settings.model_validate(
            {"service": service | {"time_zone": "Asia/Shanghai"}, "billing": {"currency": "CNY"}}
        )
        self.runtime = SimpleNamespace(db=db, settings=settings)
        self.shelf = shelf_in(folder)
        self.steps = lambda: None
        monkeypatch.setattr(export, "NOTE_PAGES", 1)
        made = writing.How

        def how(**more):
            note = more.pop("note")

            def noted(step):
                note(step)
                self.steps()

            return made(note=noted, page=4, **more)

        monkeypatch.setattr(export, "How", how)

    def ask(self, **more):
        asked = export.Parameters(**{"table": "events", "since": SINCE, "until": UNTIL} | more)
        with self.db.begin() as session:
            return enqueue(session, export.KIND, asked, actor=ACTOR, now=self.now).id

    def run(self, after=timedelta(0)):
        Runner(self.runtime, clock=lambda: self.now + after).run_next()

    def job(self, number):
        with self.db.read() as session:
            return store.get(session, number)


@pytest.fixture
def works(db, now, tmp_path, monkeypatch):
    return Works(db, now, tmp_path / "data", monkeypatch)


def kill_at(works, step):
    seen = []

    def steps():
        seen.append(1)
        if len(seen) == step:
            raise Killed

    works.steps = steps


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_killed_worker_s_export_is_gone_on_with(works, tmp_path, form):
    number = works.ask(format=form)
    kill_at(works, 2)
    with pytest.raises(Killed):
        works.run()
    assert works.job(number).state == "running"
    works.steps = lambda: None
    works.run(after=LEASE * 2)
    job = works.job(number)
    assert (job.state, job.done, job.result["host"]) == ("done", 1000, socket.gethostname())
    manifest = job.result["manifest"]
    place = works.shelf.find(number, job.result)
    assert verifying.check_files(works.shelf.folder(number), manifest) == []
    assert verifying.check_books(works.db, manifest, lambda _: {}) == []
    assert (manifest["asked_by"], manifest["rows"]) == ("alice", manifest["files"][0]["rows"])
    if form == "csv":
        asked = ordered("events", scope=verifying.order_of(manifest).scope)
        whole = exported(works.db, asked, tmp_path / "whole", writing.How(page=4))
        assert (tmp_path / "whole" / whole["files"][0]["name"]).read_bytes() == place.read_bytes()


def test_it_can_be_cancelled_refused_removed_and_looked_for_elsewhere(works):
    number = works.ask()

    def cancel():
        with works.db.begin() as session:
            commands.cancel(session, number, actor=ACTOR, now=works.now)

    works.steps = cancel
    works.run()
    assert works.job(number).state == "cancelled"
    works.steps = lambda: None
    refused = works.ask(table="statements", format="focus")
    works.run()
    assert works.job(refused).error_code == "export_format_unfit"

    done = works.ask(table="postings", format="parquet")
    works.run()
    result = works.job(done).result
    assert works.shelf.find(done, result).is_file()
    with pytest.raises(ExportGone):
        works.shelf.find(done, result, "../../secret")
    with pytest.raises(ExportElsewhere, match="elsewhere"):
        works.shelf.find(done + 1, {**result, "host": "elsewhere"})
    assert works.shelf.prune(works.now - timedelta(days=9999)) == 0
    assert works.shelf.prune(works.now + timedelta(days=9999)) == 2
    with pytest.raises(ExportGone):
        works.shelf.find(done, result)
