"""Who comes with a token after their user was erased."""

from datetime import timedelta

import pytest
from app.errors import Denied
from app.links import commands as links
from app.people import erasure
from app.tokens import issuer_commands
from app.tokens.issuers import IssuerSpec
from app.users import store as user_store

from admin_builders import ACTOR
from fakes.signers import claims, signer

GUEST = "shareChat-1760000000000-aB3dE5fG7hJ9kL1mN3pQ5rS7"


@pytest.fixture(scope="module")
def link_key(house):
    spec = IssuerSpec(name="portal", secrets=[signer("HS256").private], algorithms=["HS256"])
    with house.db.begin() as session:
        keys, now = house.runtime.keys, house.now
        issuer_commands.create_issuer(session, spec, keys=keys, actor=ACTOR, now=now)
        made = links.create(
            session,
            links.LinkSpec(name="physics", allows_guests=True),
            keys=keys,
            actor=ACTOR,
            now=now,
        )
    house.runtime.directory.forget(10**6)
    return made.key


@pytest.fixture
def who(house, link_key):
    def identified(token, purpose="ask"):
        directory = house.runtime.directory
        return directory.identify(
            directory.link(link_key, house.now), token, house.now, purpose
        ).user

    return identified


@pytest.fixture
def erase(house):
    def erased(user):
        with house.db.begin() as session:
            row = user_store.get(session, user.id)
            erasure.erase(
                session,
                row,
                typed=row.subject,
                gate=house.runtime.gate,
                actor=ACTOR,
                now=house.now,
            )
        house.runtime.directory.forget(house.runtime.directory.revision + 1)

    return erased


def test_old_tokens_are_refused_and_bill_the_old_wallet_and_new_ones_are_of_somebody_new(
    house, who, erase
):
    old = signer("HS256").sign(claims(house.now, iat=house.now - timedelta(minutes=5)))
    user = who(old)
    erase(user)
    for purpose in ("open", "ask"):
        with pytest.raises(Denied, match="revoked"):
            who(old, purpose)
    assert who(old, "bill").id == user.id
    new = signer("HS256").sign(claims(house.now, iat=house.now + timedelta(seconds=1)))
    again = who(new, "open")
    assert again.id != user.id
    assert again.uid != user.uid
    assert who(new).uid == again.uid


def test_a_guest_who_was_erased_has_another_uid_from_the_first_call_on(who, erase):
    guest = who(GUEST)
    erase(guest)
    again = who(GUEST, "open")
    assert (again.id, again.uid) != (guest.id, guest.uid)
    assert again.id is not None
    assert who(GUEST).uid == again.uid
