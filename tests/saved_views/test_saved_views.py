"""Saved views: everybody's own, some for all to see, changed by their owner only."""

import pytest
from app.saved_views import commands, store
from app.saved_views.commands import (
    VIEWS_MAX,
    NotYours,
    Owner,
    TooManyViews,
    ViewChange,
    ViewExists,
    ViewNotFound,
    ViewSpec,
)
from pydantic import ValidationError

ALICE, BOB = Owner("alice", 1), Owner("bob", 2)


def save(db, now, name="mine", *, owner=ALICE, **more):
    values = {"page": "usage", "name": name, "query": "by=day&link=3"} | more
    with db.begin() as session:
        return commands.create(session, ViewSpec(**values), owner=owner, now=now).id


def seen(db, owner, page=None):
    with db.read() as session:
        return [view.name for view in store.list_visible(session, owner.name, page=page)]


def test_own_and_shared_views_are_seen_and_others_are_not(db, now):
    save(db, now, "b")
    save(db, now, "a", page="links")
    save(db, now, "c", owner=BOB, is_shared=True)
    secret = save(db, now, "d", owner=BOB)
    assert seen(db, ALICE) == ["a", "b", "c"]
    assert seen(db, ALICE, "usage") == ["b", "c"]
    assert seen(db, BOB) == ["c", "d"]
    with db.read() as session, pytest.raises(ViewNotFound):
        commands.get_visible(session, secret, owner=ALICE)


def test_only_the_owner_changes_a_view(db, now):
    view_id = save(db, now, is_shared=True)
    change = ViewChange(name="ours", query="")
    with db.begin() as session, pytest.raises(NotYours):
        commands.update(session, view_id, change, owner=BOB, now=now)
    with db.begin() as session, pytest.raises(NotYours):
        commands.delete(session, view_id, owner=BOB)
    with db.begin() as session:
        commands.update(session, view_id, change, owner=ALICE, now=now)
    with db.read() as session:
        told = commands.describe(commands.get_visible(session, view_id, owner=BOB))
    assert (told["name"], told["query"], told["is_shared"], told["owner"]) == (
        "ours",
        "",
        True,
        "alice",
    )
    with db.begin() as session:
        commands.delete(session, view_id, owner=ALICE)
    assert seen(db, ALICE) == []


def test_names_are_taken_for_one_owner_and_page(db, now):
    save(db, now)
    save(db, now, owner=BOB)
    save(db, now, page="links")
    other = save(db, now, "other")
    with pytest.raises(ViewExists):
        save(db, now)
    with db.begin() as session, pytest.raises(ViewExists):
        commands.update(session, other, ViewChange(name="mine"), owner=ALICE, now=now)


def test_nobody_keeps_views_without_end(db, now, monkeypatch):
    assert VIEWS_MAX == 200
    monkeypatch.setattr(commands, "VIEWS_MAX", 2)
    save(db, now, "a")
    save(db, now, "b")
    with pytest.raises(TooManyViews):
        save(db, now, "c")
    save(db, now, "c", owner=BOB)


@pytest.mark.parametrize("wrong", [{"page": "/etc"}, {"name": ""}, {"query": "a b\n"}])
def test_what_cannot_be_a_view_is_refused(wrong):
    with pytest.raises(ValidationError):
        ViewSpec(**{"page": "usage", "name": "x", "query": ""} | wrong)
