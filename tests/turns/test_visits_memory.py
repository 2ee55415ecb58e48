"""A start that is refused before it reaches the gate is refused by what is true now."""

from types import SimpleNamespace

import pytest
from app.tokens.refusals import TokenRejected
from app.turns.doors import Door
from app.turns.visits import Visits


class Changing:
    """A worker's memory that knows the issuer only after it has been dropped."""

    def __init__(self, *, knows_after: int):
        self.revision, self._knows_after = 1, knows_after

    def link(self, _key, _now):
        return SimpleNamespace(id=1, limits=None)

    def identify(self, link, _token, _now, _purpose):
        if self.revision < self._knows_after:
            raise TokenRejected("not a token of any issuer we know")
        plan = SimpleNamespace(id=1, credit_limit=0)
        user = SimpleNamespace(plan=plan, locale=None, is_channel=False)
        return SimpleNamespace(
            user=user, user_id=7, link=link, is_guest=False, limits=None, is_free=True, revision=2
        )


class Announcing:
    """Freshness when the service is at revision 2."""

    def __init__(self, directory: Changing):
        self._directory = directory

    def check(self, _now):
        is_old = self._directory.revision < 2
        self._directory.revision = 2
        return is_old


def _visits(directory):
    gate = SimpleNamespace(admit=lambda _ask, _load: SimpleNamespace(mode="gate"))
    return Visits(
        gate=gate,
        directory=directory,
        freshness=Announcing(directory),
        shelf=None,
        books=None,
        endurance=SimpleNamespace(check=lambda: None),
    )


def test_an_old_memory_does_not_refuse_a_start(now):
    asked = _visits(Changing(knows_after=2)).ask(Door.with_key("key"), "token", now)
    assert asked.visitor.user_id == 7


def test_a_refusal_that_is_still_true_is_given_at_once(now):
    with pytest.raises(TokenRejected):
        _visits(Changing(knows_after=3)).ask(Door.with_key("key"), "token", now)
