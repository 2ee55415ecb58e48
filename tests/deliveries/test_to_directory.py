"""Files in a directory: whole, under one name, and never outside."""

import pytest
from app.deliveries.carrying import NotTaken
from app.deliveries.destination_commands import DestinationSpec
from pydantic import ValidationError


def test_files_appear_whole_with_their_manifest_and_a_second_time_the_same(depot):
    id_, _ = depot.add("directory", path="finance/months")
    delivery = depot.order(id_)
    assert depot.send() == 1
    place = depot.folder / "delivered/finance/months"
    assert (place / "report.csv").read_bytes() == b"a,b\n1,2\n"
    first = (place / "june.manifest.json").read_bytes()
    assert depot.delivery(delivery).place == str(place / "june.manifest.json")
    assert depot.order(id_, is_again=True) == delivery
    assert depot.send() == 1
    assert sorted(one.name for one in place.iterdir()) == ["june.manifest.json", "report.csv"]
    assert (place / "june.manifest.json").read_bytes() == first
    assert depot.attempts(delivery) == ["delivered", "delivered"]


@pytest.mark.parametrize(
    "path", ["../out", "a/../../b", "/", "a//b", ".ssh", "a/.b", "a\\b", "a\0"]
)
def test_a_path_that_leads_out_is_no_destination(path):
    with pytest.raises(ValidationError):
        DestinationSpec(name="x", kind="directory", path=path)


def test_no_symbolic_link_is_followed_or_replaced(depot):
    id_, _ = depot.add("directory", path="in/here")
    outside = depot.folder / "outside"
    outside.mkdir(parents=True)
    (depot.folder / "delivered/in").mkdir(parents=True)
    (depot.folder / "delivered/in/here").symlink_to(outside)
    delivery = depot.order(id_)
    depot.send()
    assert "symbolic link" in depot.delivery(delivery).error
    assert list(outside.iterdir()) == []
    with pytest.raises(NotTaken, match="symbolic link"):
        depot.probe(id_)
    (depot.folder / "delivered/in/here").unlink()
    (depot.folder / "delivered/in/here").mkdir()
    target = outside / "precious"
    target.write_text("mine")
    (depot.folder / "delivered/in/here/report.csv").symlink_to(target)
    depot.now = depot.delivery(delivery).due_at
    depot.send()
    assert "symbolic link" in depot.delivery(delivery).error
    assert target.read_text() == "mine"


def test_a_test_writes_and_removes_a_small_file(depot):
    id_, _ = depot.add("directory", path="a")
    assert "removed again" in depot.probe(id_)
    assert list((depot.folder / "delivered/a").iterdir()) == []
