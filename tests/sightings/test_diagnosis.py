"""What is wrong with a link's set-up, from what FastGPT sent."""

import re
import string
from datetime import timedelta

import pytest
from app.sightings.diagnosis import ADVICE, diagnose
from app.sightings.store import Seen, Stray

from moments import NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STRAY = Stray("POST /shareAuth/init", "192.0.2.7", "link_unknown", 2, NOW - HOUR)


def call(hook, code="ok", *, ago=HOUR, called="POST /l/Ab3x…/shareAuth/init", generation=None):
    first_at = NOW - ago - DAY
    return Seen(hook, code, 1, first_at, NOW - ago, "ref", "192.0.2.1", called, generation)


ALL = [call("init"), call("start"), call("finish", generation="G5")]
DOUBLED = "POST /l/Ab3x…/shareAuth/shareAuth/init"

CASES = {
    "nothing yet": ([], ["never_called"]),
    "all is well": (ALL, ["generation", "working"]),
    "get": ([call("init", "method_not_allowed", called="GET /l/…")], ["not_post"]),
    "get, mended": ([*ALL, call("init", "method_not_allowed", ago=2 * HOUR)], [*"gw"]),
    "doubled": ([call("other", "hook_unknown", called=DOUBLED)], ["hook_folder_twice"]),
    "doubled, mended": ([*ALL, call("other", "hook_unknown", ago=2 * HOUR)], [*"gw"]),
    "no such hook": ([call("other", "hook_unknown")], ["hook_unknown"]),
    "old key": ([call("init", "link_unknown"), call("init", ago=DAY)], ["key_not_taken"]),
    "disabled": ([call("init", "link_disabled"), call("init", ago=DAY)], ["link_disabled"]),
    "no token": ([call("init", "token_missing", ago=DAY), call("start", "token_rejected")], "n"),
    "one bad token": ([*ALL, call("init", "token_rejected", ago=HOUR / 2)], [*"gw"]),
    "a visitor's limit": ([*ALL, call("start", "visitor_rate", ago=HOUR / 2)], [*"gw"]),
    "unreadable": ([*ALL, call("finish", "request_malformed", ago=HOUR / 2)], "bg"),
    "too large": ([call("start"), call("finish", "body_too_large")], ["body_unreadable"]),
    "no start": ([call("init"), call("finish")], ["start_never_seen"]),
    "refused starts": ([call("init"), call("start", "balance_too_low"), call("finish")], []),
    "no finish": ([call("init"), call("start")], ["finish_never_seen"]),
    "finish stopped": ([call("start"), call("finish", ago=3 * DAY)], ["finish_stopped"]),
    "ours": ([*ALL, call("finish", "not_recorded", ago=HOUR / 2)], "sg"),
    "broke": ([*ALL, call("init", "internal_error", ago=HOUR / 2)], "sg"),
    "silent": ([call("init", ago=4 * DAY)], ["silent"]),
}
SHORT = {
    "g": "generation",
    "w": "working",
    "n": "no_good_token",
    "b": "body_unreadable",
    "s": "service_failing",
}


@pytest.mark.parametrize("case", CASES)
def test_calls_tell_what_is_wrong(case):
    calls, expected = CASES[case]
    found = [one.code for one in diagnose(calls, now=NOW)]
    assert found == [SHORT.get(code, code) for code in expected]


def test_finish_of_a_young_start_is_not_missed_yet():
    at = NOW - timedelta(minutes=5)
    young = Seen("start", "ok", 1, at, at, "ref", "192.0.2.1", None, None)
    assert diagnose([young], now=NOW) == []


def test_stray_calls_matter_only_while_the_link_waits_for_its_first():
    assert [one.code for one in diagnose([], now=NOW, strays=[STRAY])] == [
        "never_called",
        "called_elsewhere",
    ]
    assert "called_elsewhere" not in [one.code for one in diagnose(ALL, now=NOW, strays=[STRAY])]


def test_several_things_may_be_wrong_and_each_is_told_once_by_its_newest_call():
    get = {"code": "method_not_allowed", "called": "GET /l/…"}
    calls = [
        call("start", **get),
        call("init", **get, ago=2 * HOUR),
        call("finish", "link_unknown"),
    ]
    found = diagnose(calls, now=NOW, show_time=lambda at: at.strftime("%H:%M"))
    assert [one.code for one in found] == ["not_post", "key_not_taken"]
    assert found[0].says == "start was called as GET /l/…; FastGPT calls with POST."
    assert "finish was last called at 03:00 as POST /l/Ab3x…" in found[1].says


@pytest.mark.parametrize("code", ADVICE)
def test_each_finding_can_be_told(code):
    """Every finding comes up in a case, and what fills its texts is there."""
    cases = [diagnose(calls, now=NOW, strays=[STRAY]) for calls, _ in CASES.values()]
    found = [one for case in cases for one in case if one.code == code]
    assert found
    for one in found:
        assert not re.search(r"[{}]|None", one.says + one.do)
        fields = {name for _, name, _, _ in string.Formatter().parse(ADVICE[code].says) if name}
        assert fields <= set(one.params)
