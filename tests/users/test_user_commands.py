"""Users, made by operators and by first sight."""

import threading

import pytest
from app import revision
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict
from app.limits import VisitorLimits
from app.tokens import issuer_commands
from app.tokens import store as token_store
from app.tokens.issuers import IssuerSpec
from app.users import commands, store
from app.users.models import User
from app.users.profile import Profile

ACTOR = Actor("tests", "cli")


@pytest.fixture
def issuer_ids(db, keys, now):
    with db.begin() as session:
        issuer_commands.ensure_builtin(session, actor=ACTOR, now=now)
        spec = IssuerSpec(name="portal", algorithms=["HS256"], secrets=["s" * 40])
        issuer_commands.create_issuer(session, spec, keys=keys, actor=ACTOR, now=now)
        return {row.name: row.id for row in token_store.list_issuers(session)}


@pytest.fixture
def ensure(issuer_ids, keys, now):
    def ensured(session, subject="ann", issuer="portal", **said):
        return commands.ensure(
            session,
            issuer_id=issuer_ids[issuer],
            subject=subject,
            uid=keys.uid(issuer, subject),
            profile=Profile(**said),
            plan_id=None,
            now=now,
        )

    return ensured


def test_first_sight_by_many_makes_one_user_and_no_noise(db, ensure):
    with db.read() as session:
        audited, before = session.query(AuditEntry).count(), revision.current(session)
    start = threading.Barrier(8)

    def see():
        start.wait()
        with db.begin() as session:
            ensure(session, name="Ann")

    threads = [threading.Thread(target=see) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as session:
        assert [user.name for user in session.query(User)] == ["Ann"]
        assert session.query(AuditEntry).count() == audited
        assert revision.current(session) == before


def test_later_sight_changes_nothing_by_itself(db, ensure):
    with db.begin() as session:
        assert ensure(session, name="Ann") is ensure(session, name="Bob")
        assert ensure(session).name == "Ann"


def test_newer_claims_change_only_what_they_state(db, ensure):
    with db.begin() as session:
        user = ensure(session, name="Ann", locale="en", attributes={"class": "7b", "house": 1})
        assert not commands.refresh(user, Profile(name="Ann"))
        assert commands.refresh(user, Profile(locale="zh", attributes={"class": "8b"}))
        assert (user.name, user.locale) == ("Ann", "zh")
        assert user.attributes == {"class": "8b", "house": 1}


def test_user_is_found_by_subject_stored_form_or_uid(db, ensure):
    with db.begin() as session:
        awkward = ensure(session, subject='~json:"a\\u0000b"')
        plain = ensure(session)
        assert store.get_by_subject(session, "a\0b") is awkward
        assert store.get_by_subject(session, awkward.subject) is awkward
        assert store.get_by_subject(session, plain.uid) is plain
        with pytest.raises(store.UserNotFound):
            store.get_by_subject(session, "nobody\0")


def test_subject_of_several_issuers_must_be_told_apart(db, ensure):
    with db.begin() as session:
        ours, theirs = ensure(session, issuer="local"), ensure(session, issuer="portal")
        with pytest.raises(Conflict, match="local, portal"):
            store.get_by_subject(session, "ann")
        assert store.get_by_subject(session, "ann", issuer_name="local") is ours
        assert store.get_by_subject(session, "ann", issuer_name="portal") is theirs
        listed = store.list_page(session)
        assert [(x.user, x.issuer_name) for x in listed] == [(ours, "local"), (theirs, "portal")]
        assert [x.user for x in store.list_page(session, after_id=ours.id, limit=1)] == [theirs]
        assert store.issuer_name(session, ours.issuer_id) == "local"


def test_operator_makes_a_user_once(db, issuer_ids, keys, now):
    spec = commands.UserSpec(issuer_id=issuer_ids["portal"], subject="x\0", name="X")
    by = {"uid": keys.uid("portal", "x\0"), "actor": ACTOR, "now": now}
    with db.begin() as session:
        assert commands.create(session, spec, **by).subject == '~json:"x\\u0000"'
        with pytest.raises(Conflict):
            commands.create(session, spec, **by)


def test_changes_are_audited_and_announced(db, ensure, now):
    by = {"actor": ACTOR, "now": now}
    with db.begin() as session:
        user = ensure(session, name="Ann")
        before = revision.current(session)
        change = commands.UserChange(limits=VisitorLimits(burst=1), locale="en")
        commands.update(session, user, change, **by)
        commands.update(session, user, commands.UserChange(limits=None), **by)
        assert (user.name, user.locale, user.limits) == ("Ann", "en", {})
        commands.set_suspended(session, user, suspended=True, reason="left", **by)
        assert user.status == "suspended"
        commands.set_suspended(session, user, suspended=False, **by)
        commands.revoke_tokens(session, user, **by)
        assert (user.status, user.tokens_valid_after) == ("active", now)
        assert revision.current(session) == before + 5
        session.flush()
        entries = session.query(AuditEntry).filter_by(object_type="user").order_by(AuditEntry.id)
        assert [entry.action.partition(".")[2] for entry in entries] == [
            "update", "update", "suspend", "activate", "revoke_tokens",
        ]  # fmt: skip
        assert entries[2].reason == "left"
