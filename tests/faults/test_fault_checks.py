"""The checks see what they are for: one finish missing, doubled, wrong, or made up."""

import pytest

from faults import checks
from faults.checks import Booked
from faults.load import Finish, Reply

ANSWERED = [Reply(True, "ok", "r1")]
UNHEARD = [Reply(None, "ProtocolError")]
REFUSED = [Reply(False, "not_recorded", "r1")]
RIGHT = Booked(points=5, charge=7, reference="r1", amount=-7)


def finish(replies):
    return Finish("alice", "G4 chat", b"{}", points=5, charge=7, replies=replies)


@pytest.mark.parametrize(
    ("replies", "events"),
    [
        (ANSWERED, [RIGHT]),
        (ANSWERED + UNHEARD, [RIGHT]),
        (UNHEARD, [RIGHT]),
        (UNHEARD, []),
        (REFUSED, []),
        (REFUSED, [RIGHT]),
    ],
)
def test_finish_is_right(replies, events):
    assert list(checks.finishes([finish(replies)], {"alice": events})) == []


@pytest.mark.parametrize(
    ("replies", "events", "what"),
    [
        (ANSWERED, [], "answered, and not in the books"),
        (REFUSED + ANSWERED, [], "answered, and not in the books"),
        (ANSWERED, [RIGHT, RIGHT], "2 times in the books"),
        (UNHEARD, [RIGHT, RIGHT], "2 times in the books"),
        (ANSWERED, [Booked(5, 8, "r1", -8)], "charged as"),
        (ANSWERED, [Booked(5, 7, "r1", None)], "charged as"),
        (UNHEARD, [Booked(6, 7, "r2", -7)], "nobody sent"),
    ],
)
def test_finish_is_wrong(replies, events, what):
    [found] = checks.finishes([finish(replies)], {"alice": events})
    assert what in found


def test_log_counts_what_is_loud_and_skips_what_is_no_log():
    lines = ['{"level": "error", "event": "finding", "code": "hash_wrong"}', "Traceback", "[1]"]
    quiet = '{"level": "info", "event": "spool.drained"}'
    assert dict(checks.loud("\n".join([*lines, quiet]))) == {"finding hash_wrong": 1}
