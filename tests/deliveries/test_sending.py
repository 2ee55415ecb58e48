"""Deliveries: asked for once, leased, taken over, given up, pruned; and those by mail."""

from datetime import timedelta

import pytest
from app.audit.models import AuditEntry
from app.deliveries import destination_commands, orders, sending, store
from app.deliveries.destination_commands import DestinationChange
from app.deliveries.sending import LEASE, Ways
from app.errors import Conflict, Invalid

from fakes.smtp_server import SmtpServer

BY = destination_commands.Actor("tests", "cli")


class Killed(BaseException):
    """The end of a process."""


def test_a_killed_worker_is_followed_by_one_that_sends_the_same_again(depot):
    id_, _ = depot.add("directory", path="a")
    delivery = depot.order(id_)
    whole = depot.ways

    def half(sent):
        whole.carries["directory"](sent)
        raise Killed

    depot.ways = Ways({"directory": half}, {})
    with pytest.raises(Killed):
        depot.send()
    depot.ways = whole
    assert depot.send() == 0  # its lease still holds
    depot.now += LEASE
    assert depot.send() == 1
    assert depot.attempts(delivery) == ["interrupted", "delivered"]
    place = depot.folder / "delivered/a"
    assert sorted(one.name for one in place.iterdir()) == ["june.manifest.json", "report.csv"]


def test_a_slow_worker_whose_delivery_went_to_another_says_nothing_of_it(depot):
    id_, _ = depot.add("directory", path="a")
    delivery = depot.order(id_)
    whole = depot.ways

    def slow(sent):
        depot.ways = whole
        depot.now += LEASE
        depot.send()
        sent.beat()
        raise AssertionError("the beat lets it go on")

    depot.ways = Ways({"directory": slow}, {})
    depot.send()
    assert depot.outcomes == [("directory", "delivered"), ("directory", "lost")]
    assert depot.delivery(delivery).status == "delivered"


def test_the_same_key_is_the_same_delivery_and_other_homes_are_left_alone(depot):
    id_, _ = depot.add("directory", path="a")
    assert depot.order(id_) == depot.order(id_)
    own = depot.home
    depot.home = type(own)("b" * 32, own.directory)
    assert depot.send() == 0
    assert sending.bury(depot.db, depot.now + timedelta(hours=25)) == 1
    assert "no worker with the directory" in depot.delivery(1).error


def test_a_file_that_was_changed_or_is_gone_is_not_sent(depot):
    id_, _ = depot.add("directory", path="a")
    delivery = depot.order(id_)
    depot.file(content=b"other")
    depot.send()
    assert "was changed since it was made" in depot.delivery(delivery).error
    assert depot.delivery(delivery).status == "dead"


def test_names_that_lead_elsewhere_are_refused(depot):
    id_, _ = depot.add("directory", path="a")
    for name in ("../x", ".hidden", "a/b", "june.manifest.json", ""):
        file = depot.file()
        bad = type(file)(file.path, name, file.media_type, file.sha256, file.size)
        with pytest.raises(Invalid):
            depot.order(id_, bad)
    with pytest.raises(Invalid):
        depot.order(id_, key="../../etc")


def test_retry_and_give_up_are_audited_and_old_ones_forgotten(depot):
    id_, _ = depot.add("directory", path="a")
    delivery = depot.order(id_)
    with depot.db.begin() as session:
        orders.give_up(session, delivery, actor=BY, now=depot.now)
    assert depot.send() == 0
    with depot.db.begin() as session, pytest.raises(Conflict):
        orders.give_up(session, delivery, actor=BY, now=depot.now)
    with depot.db.begin() as session:
        orders.retry(session, delivery, actor=BY, now=depot.now)
    assert depot.send() == 1
    with depot.db.begin() as session:
        actions = [e.action for e in session.query(AuditEntry).order_by(AuditEntry.id)]
        assert actions == ["destinations.add", "deliveries.give_up", "deliveries.retry"]
        assert store.prune(session, before=depot.now + timedelta(days=1)) == 1


def test_a_destination_is_paused_changed_and_removed_and_its_secrets_stay_secret(depot):
    secret = "the secret key of a bucket"
    id_, _ = depot.add("s3", bucket="abc", access_key="AKIA", secret_key=secret)
    depot.order(id_)

    def change(**said):
        with depot.db.begin() as session:
            found = store.get_destination(session, id_)
            destination_commands.update(
                session, found, DestinationChange(**said), keys=depot.keys, actor=BY, now=depot.now
            )

    change(is_enabled=False)
    assert depot.send() == 0
    assert sending.bury(depot.db, depot.now + timedelta(days=9)) == 0
    change(secret_key="another secret key", prefix="a/b")
    with pytest.raises(Invalid):
        change(url="https://example.com/")
    with pytest.raises(Invalid):
        change(bucket=None)
    depot.now += timedelta(days=9)
    change(is_enabled=True)
    assert sending.bury(depot.db, depot.now) == 0
    with depot.db.begin() as session:
        destination = store.get_destination(session, id_)
        told = str(destination_commands.describe(destination)) + destination.sealed
        destination_commands.remove(session, destination, actor=BY, now=depot.now)
        for entry in session.query(AuditEntry):
            told += str((entry.before, entry.after, entry.reason))
        assert store.list_deliveries(session) == []
    assert "secret key" not in told
    assert "s3://abc/a/b" in told


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_mail_has_the_files_or_says_where_they_lie(depot):
    with SmtpServer() as far:
        depot.mail_by(far.port)
        id_, _ = depot.add("mail", recipients=["a@ex.com", "b@ex.com"])
        depot.order(id_, summary="Two answers", summary_html="<p>Two answers</p>")
        big = depot.file("big.bin", b"x" * 2000, "application/octet-stream")
        depot.order(id_, big, key="july")
        assert depot.send() == 2
    small, large = far.got
    assert small.recipients == ["a@ex.com", "b@ex.com"]
    assert small.message["Message-ID"] == "<june@ex.com>"
    names = [one.get_filename() for one in small.message.iter_attachments()]
    assert names == ["report.csv", "june.manifest.json"]
    assert "Two answers" in small.message.get_body(("html",)).get_content()
    text = large.message.get_body(("plain",)).get_content()
    assert "too large" in text
    assert str(big.path) in text.replace("=\n", "")
    assert [one.get_filename() for one in large.message.iter_attachments()] == [
        "july.manifest.json"
    ]


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_the_courier_sends_in_the_background_and_stops(depot):
    id_, _ = depot.add("directory", path="a")
    delivery = depot.order(id_)
    courier = sending.Courier(depot.post)
    courier.kick()
    courier.close()
    assert depot.delivery(delivery).status == "delivered"
    depot.order(id_, key="july")
    courier.kick()
    courier.close()
    assert depot.send() == 1  # it was closed
