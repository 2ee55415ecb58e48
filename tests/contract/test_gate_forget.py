"""Forgetting everything, after the books were put back, on a single server and on a cluster."""

import pytest

from admission_builders import UNIT, Books, make_ask, make_gate


@pytest.fixture(params=["valkey_url", "valkey_cluster_url"], ids=["single", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def test_gate_that_forgets_holds_nothing_and_leaves_others_alone(url, namespace):
    gate, other = make_gate(url, namespace), make_gate(url, f"{namespace}x")
    for one in (gate, other):
        one.admit(make_ask(), Books())
        one.set_balance(7, UNIT, 5)
    assert gate.forget() is True

    held, others = gate.snapshot(7, 3), other.snapshot(7, 3)
    other.close()
    assert (held.revision, held.balance, held.version, held.visitor_open) == (None, None, None, 0)
    assert (others.revision, others.version, others.visitor_open) == (1, 5, 1)
    gate.set_balance(7, 2 * UNIT, 1)
    assert gate.snapshot(7, 3).version == 1
    gate.close()
