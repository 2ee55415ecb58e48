"""Links and their keys."""

from datetime import timedelta
from decimal import Decimal

import pytest
from app import revision
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict, Invalid, NotFound
from app.limits import GuestLimits, LinkLimits, VisitorLimits
from app.links import commands, store
from app.links.models import LinkKey
from pydantic import ValidationError

BY = {"actor": Actor("tests", "cli")}


@pytest.fixture
def session(db):
    with db.begin() as opened:
        yield opened


@pytest.fixture
def made(session, keys, now):
    spec = commands.LinkSpec(name="physics", limits=LinkLimits(open_questions=9))
    return commands.create(session, spec, keys=keys, now=now, **BY)


def found(session, keys, key):
    return store.find_by_key_digest(session, keys.link_key_digest(key))


def test_created_link_is_found_by_its_key_which_is_stored_nowhere_in_clear(session, keys, made):
    assert found(session, keys, made.key) == (made.link, None)
    stored = str([vars(row) for row in session.query(LinkKey)])
    stored += str([vars(row) for row in session.query(AuditEntry)])
    assert made.key not in stored
    assert "links.create" in stored


def test_every_setting_is_kept(session, keys, now):
    spec = commands.LinkSpec(
        name="all",
        share_url="https://h/chat/share?shareId=a",
        locale="en",
        messages={"link_disabled": {"en": "Closed."}},
        issuers=("portal",),
        allows_guests=True,
        price_multiplier=Decimal("1.5"),
        limits=LinkLimits(points_total=Decimal(5)),
        visitor_limits=VisitorLimits(burst=2),
        guest_limits=GuestLimits(open_questions=1),
        counting="inclusive",
    )
    link = commands.create(session, spec, keys=keys, now=now, **BY).link
    described = commands.describe(link)
    assert described == spec.model_dump(mode="json", exclude_none=True) | {
        "status": "active",
        "guest_plan_id": None,
        "price_multiplier": "1.5",
        "limits": {"points_total": "5"},
    }


def test_name_is_taken_once(session, keys, now, made):
    with pytest.raises(Conflict):
        commands.create(session, commands.LinkSpec(name="physics"), keys=keys, now=now, **BY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"share_url": "javascript:alert(1)"},
        {"share_url": "https://h/#x"},
        {"locale": "fr"},
        {"messages": {"link_disabled": {"en": "See https://h"}}},
        {"messages": {"no_such_code": {"en": "x"}}},
        {"messages": {"link_disabled": {"fr": "x"}}},
        {"counting": "twice"},
        {"price_multiplier": "-1"},
        {"limits": {"open_questions": -2}},
        {"colour": "red"},
    ],
)
def test_links_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        commands.LinkSpec.model_validate({"name": "x"} | wrong)


def test_only_what_is_given_changes_and_is_announced(session, made, now):
    before = revision.current(session)
    change = commands.LinkChange(allows_guests=True, share_url=None)
    commands.update(session, made.link, change, now=now, **BY)
    assert made.link.allows_guests
    assert made.link.limits == {"open_questions": 9}
    assert revision.current(session) == before + 1


def test_link_is_switched_off_and_on(session, made, now):
    for enabled, status in ((False, "disabled"), (True, "active")):
        commands.set_enabled(session, made.link, enabled=enabled, now=now, **BY)
        assert made.link.status == status


def test_rotated_key_overlaps_its_successor(session, keys, made, now):
    by = {"keys": keys, "now": now, **BY}
    second = commands.rotate_key(session, made.link, overlap_s=60, **by)
    third = commands.rotate_key(session, made.link, overlap_s=3600, **by)
    ends = [found(session, keys, key)[1] for key in (made.key, second, third)]
    assert ends == [now + timedelta(minutes=1), now + timedelta(hours=1), None]
    assert commands.show_key(session, made.link, keys=keys, now=now) == third
    commands.rotate_key(session, made.link, overlap_s=0, **by)
    assert len(store.list_live_keys(session, made.link.id, now)) == 1


@pytest.mark.parametrize("overlap_s", [-1, 400 * 86400])
def test_overlaps_that_make_no_sense_are_refused(session, keys, made, now, overlap_s):
    with pytest.raises(Invalid):
        commands.rotate_key(session, made.link, overlap_s=overlap_s, keys=keys, now=now, **BY)


def test_key_is_shown_again_while_one_lives(session, keys, made, now):
    assert commands.show_key(session, made.link, keys=keys, now=now) == made.key
    for row in store.list_live_keys(session, made.link.id, now):
        row.expires_at = now
    session.flush()
    with pytest.raises(NotFound):
        commands.show_key(session, made.link, keys=keys, now=now)


def test_link_is_found_by_name_or_key(session, keys, made):
    for reference in ("physics", made.key):
        digest = keys.link_key_digest(reference)
        assert store.get_by_reference(session, reference, digest) is made.link
    with pytest.raises(store.LinkNotFound):
        store.get_by_reference(session, "x", keys.link_key_digest("x"))
    assert store.list_all(session) == [made.link]
    assert store.find_by_id(session, made.link.id) is made.link
