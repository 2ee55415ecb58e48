"""Minting and revoking."""

from datetime import timedelta

import pytest
from app import revision
from app.audit.journal import Actor
from app.audit.models import AuditEntry
from app.tokens import commands, issuer_commands, store
from app.tokens.models import RevokedToken, Token
from app.users import commands as users
from app.users.profile import NOTHING_SAID
from pydantic import ValidationError

from fakes.signers import claims, signer

ACTOR = Actor("tests", "cli")


@pytest.fixture
def user_id(db, keys, now):
    with db.begin() as session:
        issuer_commands.ensure_builtin(session, actor=ACTOR, now=now)
        return users.ensure(
            session,
            issuer_id=store.get_issuer(session, "local").id,
            subject="ann",
            uid=keys.uid("local", "ann"),
            profile=NOTHING_SAID,
            plan_id=None,
            now=now,
        ).id


def test_minted_token_is_nowhere_but_in_the_answer(db, keys, now, user_id):
    with db.begin() as session:
        before = revision.current(session)
        spec = commands.MintSpec(user_id=user_id, ttl_s=60, label="desk")
        minted = commands.mint(session, spec, keys=keys, actor=ACTOR, now=now)
        assert revision.current(session) == before  # see mint
    with db.read() as session:
        stored = store.find_token(session, keys.token_digest(minted.text))
        assert stored.expires_at == now + timedelta(seconds=60)
        rows = [vars(t) for t in session.query(Token)] + [
            vars(e) for e in session.query(AuditEntry)
        ]
        assert minted.text not in str(rows)
        assert "tokens.mint" in str(rows)


@pytest.mark.parametrize("ttl_s", [0, -1, 10**10])
def test_lifetimes_must_be_sensible(ttl_s):
    with pytest.raises(ValidationError):
        commands.MintSpec(user_id=1, ttl_s=ttl_s)


def test_revoking_twice_keeps_the_first_time_and_bumps_the_revision(db, keys, now, user_id):
    with db.begin() as session:
        spec = commands.MintSpec(user_id=user_id)
        minted = commands.mint(session, spec, keys=keys, actor=ACTOR, now=now)
        before = revision.current(session)
        for minutes in (0, 5):
            at = now + timedelta(minutes=minutes)
            kind = commands.revoke_text(session, minted.text, keys=keys, actor=ACTOR, now=at)
            assert kind == "minted"
        assert store.get_token(session, minted.token.id).revoked_at == now
        assert revision.current(session) > before


def test_foreign_token_is_revoked_by_what_was_signed(db, keys, now, user_id):
    token = signer("HS256").sign(claims(now))
    by = {"keys": keys, "actor": ACTOR, "now": now}
    with db.begin() as session:
        for _ in range(2):
            assert commands.revoke_text(session, token, reason="lost", **by) == "foreign"
        (row,) = session.query(RevokedToken)
        assert row.expires_at == now + timedelta(minutes=10)
        assert store.is_revoked(session, keys.token_digest(token.rpartition(".")[0]))
        assert "lost" in str([e.reason for e in session.query(AuditEntry)])


def test_tokens_are_listed_newest_first_by_user(db, keys, now, user_id):
    with db.begin() as session:
        spec = commands.MintSpec(user_id=user_id)
        ids = [
            commands.mint(session, spec, keys=keys, actor=ACTOR, now=now).token.id for _ in range(3)
        ]
        assert [t.id for t in store.list_tokens(session, user_id=user_id)] == ids[::-1]
        assert [t.id for t in store.list_tokens(session, before_id=ids[1])] == [ids[0]]
        assert store.list_tokens(session, user_id=user_id + 1) == []
        with pytest.raises(store.TokenNotFound):
            store.get_token(session, 999)
