"""Issuers in the database, built in, and from the configuration."""

import threading

import pytest
from app import revision
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.errors import Conflict, Invalid
from app.keys import Keys
from app.tokens import issuer_commands as commands
from app.tokens import known, store
from app.tokens.issuers import IssuerSpec

ACTOR = Actor("tests", "cli")
SPEC = IssuerSpec(name="portal", algorithms=["HS256"], secrets=["s" * 40])


def create(db, spec, keys, now):
    with db.begin() as session:
        return commands.create_issuer(session, spec, keys=keys, actor=ACTOR, now=now)


def test_created_issuer_keeps_its_secrets_sealed_and_opens_them(db, keys, now):
    with db.read() as session:
        before = revision.current(session)
    create(db, SPEC, keys, now)
    with db.read() as session:
        row = store.get_issuer(session, "portal")
        assert "ssss" not in str(row.spec) + str(row.sealed_secrets)
        assert "ssss" not in str([e.after for e in session.query(AuditEntry)])
        assert known.stored_spec(row, keys=keys) == SPEC
        assert revision.current(session) == before + 1


def test_issuer_whose_secrets_cannot_be_opened_is_unusable_and_others_go_on(db, keys, now):
    create(db, SPEC, keys, now)
    create(db, IssuerSpec(name="bot", kind="channel", pattern="wx.+"), keys, now)
    other = Keys("another secret that is good for tests, 32+")
    with db.read() as session:
        found = known.join(store.list_issuers(session), (), keys=other)
    assert (found.by_name["portal"].spec, found.by_name["portal"].is_active) == (None, False)
    assert found.by_name["bot"].is_active


def test_name_and_iss_are_taken_once(db, keys, now):
    create(db, SPEC, keys, now)
    for name, iss in (("portal", "x"), ("other", "portal")):
        spec = IssuerSpec(name=name, issuer=iss, algorithms=["HS256"], secrets=["s" * 40])
        with pytest.raises(Conflict):
            create(db, spec, keys, now)


@pytest.mark.parametrize(
    "spec", [IssuerSpec(name="mine", kind="opaque"), IssuerSpec(name="x", kind="guest")]
)
def test_built_in_kinds_cannot_be_made(db, keys, now, spec):
    with pytest.raises(Invalid):
        create(db, spec, keys, now)


def test_replaced_spec_rotates_the_secret_but_never_the_name(db, keys, now):
    create(db, SPEC, keys, now)
    fresh = SPEC.model_copy(update={"secrets": IssuerSpec(
        name="portal", algorithms=["HS256"], secrets=["n" * 40]).secrets})  # fmt: skip
    by = {"keys": keys, "actor": ACTOR, "now": now}
    with db.begin() as session:
        row = store.get_issuer(session, "portal")
        commands.replace_issuer(session, row, fresh, **by)
        with pytest.raises(Invalid):
            commands.replace_issuer(session, row, fresh.model_copy(update={"name": "b"}), **by)
    with db.read() as session:
        stored = known.stored_spec(store.get_issuer(session, "portal"), keys=keys)
    assert stored.secrets[0].get_secret_value() == "n" * 40


def test_disabled_issuer_is_known_but_not_active(db, keys, now):
    create(db, SPEC, keys, now)
    with db.begin() as session:
        row = store.get_issuer(session, "portal")
        commands.set_issuer_enabled(session, row, enabled=False, actor=ACTOR, now=now)
    with db.read() as session:
        issuer = known.join(store.list_issuers(session), (), keys=keys).by_iss["portal"]
    assert (issuer.is_active, issuer.spec) == (False, SPEC)


def test_built_in_and_configured_issuers_are_ensured_once_by_many(db, keys, now):
    start = threading.Barrier(6)

    def ensure():
        start.wait()
        with db.begin() as session:
            commands.ensure_builtin(session, actor=ACTOR, now=now)
            commands.ensure_config(session, [SPEC], actor=ACTOR, now=now)

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as session:
        rows = store.list_issuers(session)
        assert sorted(row.name for row in rows) == ["guest", "local", "portal"]
        assert session.query(AuditEntry).count() == 3
        found = known.join(rows, [SPEC], keys=keys)
        gone = known.join(rows, [], keys=keys)
    assert found.by_iss["portal"].spec == SPEC
    assert "s" * 40 not in str([row.spec for row in rows])
    assert (gone.by_iss, gone.by_name["portal"].is_active) == ({}, False)


def test_configured_issuer_may_not_take_the_place_of_another(db, keys, now):
    create(db, SPEC, keys, now)
    with pytest.raises(Conflict), db.begin() as session:
        commands.ensure_config(session, [SPEC], actor=ACTOR, now=now)


def test_configured_issuer_may_not_change_its_kind(db, now):
    with db.begin() as session:
        commands.ensure_config(session, [SPEC], actor=ACTOR, now=now)
    channel = IssuerSpec(name="portal", kind="channel", pattern="wx.+")
    with pytest.raises(Conflict), db.begin() as session:
        commands.ensure_config(session, [channel], actor=ACTOR, now=now)
