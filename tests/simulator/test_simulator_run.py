import json
import threading
from collections import Counter

import pytest
from app.simulator.chats import Habits
from app.simulator.fastgpt import Visitor
from app.simulator.run import NothingThere, Options, Result, run

from fakes.hook_server import HookServer

VISITORS = [Visitor(f"sim-{n}", f"sim-{n}") for n in range(5)]
CALM = Habits(abort_rate=0, duplicate_rate=0, parallel_rate=0, wait_s=0)


def options(**changes) -> Options:
    return Options(
        **{"chats": 24, "concurrency": 6, "seed": 11, "habits": Habits(wait_s=0.005), **changes}
    )


def play(server: HookServer, **changes) -> Result:
    with server:
        return run(
            options(**changes),
            server.root_url,
            VISITORS,
            read_ledger=server.read,
            ledger_patience_s=0,
        )


def test_right_server_passes_with_every_habit():
    habits = Habits(abort_rate=0.3, duplicate_rate=0.5, parallel_rate=0.5, wait_s=0.005)
    server = HookServer()
    result = play(server, chats=60, habits=habits)
    assert result.is_good, (result.differences, result.tally.samples)
    assert result.tally.events["chats"] == 60
    assert result.tally.events["copies"] > 0
    assert result.tally.events["answers_lost"] > 0
    sent = len(server.calls["finish"])
    assert sent == result.tally.events["finishes"] + result.tally.events["copies"]
    assert result.tally.events["questions"] == len(server.calls["start"])


def test_requests_look_like_those_of_axios():
    server = HookServer()
    play(server, chats=3)
    for headers in server.headers:
        assert headers["User-Agent"].startswith("axios/")
        assert headers["Content-Type"] == "application/json"
        assert headers["Accept"] == "application/json, text/plain, */*"
        assert not {"Authorization", "X-Request-Id", "Transfer-Encoding"} & set(headers)


def test_bodies_carry_what_fastgpt_sends_and_nothing_else():
    server = HookServer()
    play(server)
    assert {tuple(call) for call in server.calls["init"]} == {("token",)}
    assert {tuple(call) for call in server.calls["start"]} == {("token", "question")}
    allowed = {"token", "appName", "chatId", "responseData"}
    assert all(set(call) <= allowed for call in server.calls["finish"])


def test_same_seed_sends_the_same_bodies():
    def bodies() -> Counter[str]:
        server = HookServer()
        play(server)
        return Counter(
            json.dumps([hook, call]) for hook in server.calls for call in server.calls[hook]
        )

    assert bodies() == bodies()


def test_finish_is_not_awaited():
    may_answer = threading.Event()

    def hold_back(hook, number, reply):
        if hook == "finish":
            assert may_answer.wait(10)
        if hook == "start" and number == 3:
            may_answer.set()  # the one worker goes on asking while every finish still hangs
        return reply

    result = play(HookServer(spoil=hold_back), chats=3, concurrency=1, habits=CALM)
    assert result.is_good


def test_failed_finish_is_never_sent_again():
    server = HookServer(spoil=lambda hook, _, reply: (500, b"") if hook == "finish" else reply)
    result = play(server, habits=CALM)
    assert len(server.calls["finish"]) == result.tally.events["finishes"]
    assert result.tally.violations["finish", "http_status"] == result.tally.events["finishes"]


def test_server_errors_break_the_contract():
    server = HookServer(spoil=lambda hook, n, reply: (500, b"oops") if n % 5 == 0 else reply)
    result = play(server)
    assert not result.is_contract_kept
    assert not result.is_good
    assert any("HTTP 500" in sample for sample in result.tally.samples)


def test_redirect_is_not_followed():
    result = play(HookServer(spoil=lambda hook, n, reply: (301, b"")))
    assert result.tally.violations["init", "http_status"] == 24
    assert not result.has_asked


def test_other_uid_from_start_than_from_init_is_found():
    def spoil(hook, _, reply):
        return {**reply, "data": {"uid": "u-start"}} if hook == "start" else reply

    result = play(HookServer(spoil=spoil))
    assert result.tally.violations["start", "uid_changed"] > 0
    assert result.tally.violations["init", "uid_changed"] == 0
    assert result.is_ledger_equal


def test_invalid_uid_is_found():
    spoil = lambda hook, _, reply: {**reply, "data": {"uid": "a/b"}} if hook == "init" else reply  # noqa: E731
    assert play(HookServer(spoil=spoil)).tally.violations["init", "uid_invalid"] > 0


def test_dropped_finish_is_found_in_the_ledger():
    result = play(HookServer(book=lambda number: int(number != 3)), habits=CALM)
    assert result.is_contract_kept
    assert not result.is_ledger_equal
    assert any("missing" in difference.hint for difference in result.differences)


def test_doubled_charge_is_found_in_the_ledger():
    result = play(HookServer(book=lambda number: 1 + (number == 3)), habits=CALM)
    assert not result.is_good
    assert any("counted twice" in difference.hint for difference in result.differences)


def test_refused_questions_owe_nothing():
    def refuse(hook, number, reply):
        if hook == "start" and number % 2:
            return {"success": False, "message": "Slow down", "code": "visitor_rate"}
        return reply

    result = play(HookServer(spoil=refuse))
    refused = result.tally.events["questions_refused"]
    assert result.is_good
    assert refused == result.tally.refusals["start", "visitor_rate"] > 0


def test_refused_page_asks_no_question():
    refusal = {"success": False, "message": "Sign in", "code": "token_expired"}
    server = HookServer(spoil=lambda *_: refusal)
    result = play(server)
    assert result.tally.events["pages_refused"] == 24
    assert server.calls["start"] == server.calls["finish"] == []
    assert result.is_contract_kept
    assert not result.is_good  # nothing was shown to work


def test_slow_server_shows_in_the_latencies():
    result = play(HookServer(delay_s=0.03), chats=4, concurrency=4, habits=CALM)
    for hook in ("init", "start", "finish"):
        assert result.tally.latency(hook).percentiles[0] >= 30


def test_answer_that_takes_too_long_counts_as_none():
    result = play(HookServer(delay_s=0.3), chats=2, concurrency=2, timeout_s=0.05, habits=CALM)
    assert result.tally.violations["init", "no_answer"] == 2


def test_ledger_that_lags_behind_is_asked_again():
    server = HookServer()
    answers = iter([{}])
    with server:
        result = run(
            options(chats=4),
            server.root_url,
            VISITORS,
            read_ledger=lambda subjects: next(answers, None) or server.read(subjects),
            ledger_patience_s=5,
        )
    assert result.is_good


def test_without_a_ledger_only_the_contract_decides():
    with HookServer(book=lambda _: 0) as server:
        result = run(options(chats=4), server.root_url, VISITORS)
    assert result.differences is None
    assert result.is_ledger_equal is None
    assert result.is_good


def test_nothing_at_the_address_is_said_at_once():
    with HookServer() as server:
        root_url = server.root_url
    with pytest.raises(NothingThere, match="nothing answers at"):
        run(options(), root_url, VISITORS)


def test_chats_begin_no_faster_than_the_rate():
    result = play(HookServer(), chats=5, rate=50.0, habits=CALM)
    assert result.elapsed_s >= 4 / 50


def test_interrupt_ends_early_and_still_balances():
    server = HookServer(delay_s=0.002)
    pressed = []

    def press_once(tally):
        if tally.events["finishes"] and not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    with server:
        result = run(
            options(chats=100_000, habits=CALM),
            server.root_url,
            VISITORS,
            read_ledger=server.read,
            observe=press_once,
            ledger_patience_s=0,
        )
    assert result.was_stopped
    assert 0 < result.tally.events["chats"] < 100_000
    assert result.is_ledger_equal, result.differences
