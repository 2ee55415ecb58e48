"""What is done to operators, on both databases."""

from datetime import timedelta

import pytest
from app.errors import Conflict, Forbidden, Invalid
from app.operators import api_tokens, commands, passwords, second_factor, signin, store
from app.operators.api_tokens import ApiTokenSpec
from app.operators.commands import OidcIdentity, OperatorChange, OperatorSpec
from app.operators.models import ApiToken, LoginFailure, Operator
from app.operators.roles import permissions_of
from app.operators.signin import Client, Lifetimes, SignInThrottled
from pydantic import ValidationError
from sqlalchemy import func, select

from admin_builders import ACTOR, CHEAP

LIVES = Lifetimes(timedelta(hours=8), timedelta(days=7))
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _passwords_are_cheap(monkeypatch):
    monkeypatch.setattr(passwords, "_hasher", CHEAP)


def added(session, now, name="anna", role="owner", **said):
    spec = OperatorSpec.model_validate({"name": name, "role": role, **said})
    return commands.create(session, spec, actor=ACTOR, now=now).operator


def change(session, operator, now, **said):
    spec = OperatorChange.model_validate(said)
    return commands.update(session, operator, spec, actor=ACTOR, now=now)


def desk(keys, now, address="192.0.2.1"):
    return signin.Desk(keys, Client(address, "tests"), LIVES, now)


def test_the_last_owner_can_neither_step_down_nor_be_disabled_nor_be_kept_to_links(db, now):
    with db.begin() as session:
        anna = added(session, now)
        for act in (
            lambda: change(session, anna, now, role="viewer"),
            lambda: change(session, anna, now, link_ids=[1]),
            lambda: commands.set_enabled(session, anna, enabled=False, actor=ACTOR, now=now),
        ):
            with pytest.raises(Conflict) as refused:
                act()
            assert refused.value.code == "last_owner"
        added(session, now, "ben")
        assert change(session, anna, now, role="viewer").role == "viewer"


def test_names_are_one_whatever_their_case(db, now):
    with db.begin() as session:
        assert added(session, now, " Anna@Corp ").name == "anna@corp"
        with pytest.raises(Conflict):
            added(session, now, "ANNA@corp")
    for name in ("", "a b", "-a", "a" * 81, "名"):
        with pytest.raises(ValidationError):
            OperatorSpec.model_validate({"name": name, "role": "owner"})


def test_disabling_ends_sessions_and_stops_tokens(db, keys, now):
    with db.begin() as session:
        added(session, now, "root")
        anna = added(session, now)
        secret = desk(keys, now).open(session, anna, method="oidc", is_complete=True).secret
        spec = ApiTokenSpec.model_validate({"name": "t", "scopes": ["plans:read"]})
        token = api_tokens.create(session, anna, spec, keys=keys, actor=ACTOR, now=now).token
        assert signin.resume(session, secret, keys=keys, lifetimes=LIVES, now=now)
        assert api_tokens.find_usable(session, token, keys=keys, now=now)
        commands.set_enabled(session, anna, enabled=False, actor=ACTOR, now=now)
        assert not signin.resume(session, secret, keys=keys, lifetimes=LIVES, now=now)
        assert not api_tokens.find_usable(session, token, keys=keys, now=now)


def test_failures_of_one_kind_and_network_are_counted_together(db, keys, now):
    with db.begin() as session:
        for number in range(5):
            desk(keys, now, f"2001:db8::{number}").reserve(session, "password", "anna")
        with pytest.raises(SignInThrottled) as refused:
            desk(keys, now + MINUTE, "2001:db8::ffff").reserve(session, "password", "Anna ")
        assert refused.value.retry_after_s == 14 * 60
        desk(keys, now, "2001:db8:0:1::1").reserve(session, "password", "anna")  # a neighbour
        desk(keys, now, "2001:db8::1").reserve(session, "code", "anna")
        desk(keys, now, "2001:db8::1").reserve(session, "password", "code anna")
        late = now + signin.WINDOW + MINUTE
        desk(keys, late, "2001:db8::1").reserve(session, "password", "anna")
        desk(keys, now, "2001:db8::9").forgive(session, "password", "anna")
        left = session.scalar(select(func.count()).select_from(LoginFailure))
        assert left == 3  # the neighbour's, the code's, the other name's


def test_a_code_counts_once_also_when_two_try_it_at_once(db, keys, now):
    with db.begin() as session:
        anna = added(session, now)
        said = {"keys": keys, "actor": ACTOR, "now": now}
        secret = commands.begin_second_factor(session, anna, **said)
        with pytest.raises(Invalid):
            commands.confirm_second_factor(session, anna, "abc", **said)
        code = second_factor.pyotp.TOTP(secret).at(now)
        commands.confirm_second_factor(session, anna, code, **said)
    later = now + timedelta(seconds=60)
    code = second_factor.pyotp.TOTP(secret).at(later)
    with db.begin() as session:
        mine = store.lock(session, anna.id)
        assert desk(keys, later).take_code(mine, code)
    with db.begin() as session:
        session.get(Operator, anna.id)
        assert not desk(keys, later).take_code(store.lock(session, anna.id), code)


@pytest.mark.parametrize("typed", ["", "é", "名字", "１２", "\ud800", "1" * 10_000])
def test_odd_codes_are_wrong_and_nothing_else(keys, now, typed):
    secret = second_factor.new_secret()
    assert second_factor.step_of(typed, secret, now=now, after_step=None) is None
    assert second_factor.without_recovery_code(typed, ["x"], keys) is None


def test_wide_digits_are_digits(now):
    secret = second_factor.new_secret()
    code = second_factor.pyotp.TOTP(secret).at(now)
    wide = "".join(chr(ord(digit) - ord("0") + ord("０")) for digit in code)
    assert second_factor.step_of(wide, secret, now=now, after_step=None) is not None


def test_somebody_a_provider_vouches_for_is_made_once_and_follows_it(db, now):
    def identity(**said):
        known = {
            "issuer": "https://login.example",
            "subject": "1",
            "name": "Änna Müller",
            "display_name": "Anna",
            "email": None,
            "role": "owner",
        }
        return OidcIdentity(**{**known, **said})

    with db.begin() as session:
        made = commands.admit_oidc(session, identity(), actor=ACTOR, now=now)
        assert made.name == "nna-m-ller"
        assert made.password_hash is None
        with pytest.raises(Conflict):  # they are the last owner
            commands.admit_oidc(session, identity(role="viewer"), actor=ACTOR, now=now)
        added(session, now, "root")
        again = commands.admit_oidc(session, identity(role="viewer"), actor=ACTOR, now=now)
        assert (again.id, again.role) == (made.id, "viewer")
        with pytest.raises(Conflict):
            commands.admit_oidc(session, identity(subject="2", name="root"), actor=ACTOR, now=now)
        made.status = "disabled"
        session.flush()
        with pytest.raises(Forbidden):
            commands.admit_oidc(session, identity(), actor=ACTOR, now=now)


def test_tokens_have_what_their_owner_has_now_on_the_links_both_have(db, keys, now):
    spec = ApiTokenSpec.model_validate(
        {"name": "t", "scopes": ["usage:read", "plans:write"], "link_ids": [1, 2]}
    )
    with db.begin() as session:
        added(session, now, "root")
        anna = added(session, now)
        made = api_tokens.create(session, anna, spec, keys=keys, actor=ACTOR, now=now)
        whole = api_tokens.rights(made.row, anna)
        assert whole.permissions == {"usage:read"}  # plans belong to no link
        change(session, anna, now, link_ids=[2, 3])
        assert api_tokens.rights(made.row, anna).link_ids == {2}
        with pytest.raises(Invalid) as refused:
            api_tokens.create(session, anna, spec, keys=keys, actor=ACTOR, now=now)
        assert refused.value.code in {"links_not_held", "scope_not_held"}
        change(session, anna, now, role="viewer", link_ids=None)
        assert made.token not in str(session.get(ApiToken, made.row.id).__dict__)


def test_a_role_that_is_not_known_may_do_nothing():
    assert permissions_of("emperor", link_ids=None) == frozenset()


@pytest.mark.parametrize(
    "moment", ["2030-01-01T00:00:00", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"]
)
def test_ends_that_no_calendar_has_are_refused(moment):
    with pytest.raises(ValidationError):
        ApiTokenSpec.model_validate({"name": "t", "scopes": ["usage:read"], "expires_at": moment})


def test_weak_passwords_are_refused_and_odd_ones_are_not():
    for weak in ("short", "a" * 40, "x" * 257):
        with pytest.raises(Invalid):
            passwords.hashed(weak, name="anna")
    odd = "鼠标 \ud800 and more"
    assert passwords.matches(odd, passwords.hashed(odd))
    assert not passwords.matches(odd, None)
