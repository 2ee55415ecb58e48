import io
import json
from decimal import Decimal

from app.simulator.books import Booked, Difference
from app.simulator.contract import Answer, no_answer
from app.simulator.payloads import Payload, Rates
from app.simulator.progress import watching
from app.simulator.report import document
from app.simulator.run import Options, Result
from app.simulator.tally import Tally
from rich.console import Console

OPTIONS = Options(chats=3, concurrency=1, seed=42)


def tally() -> Tally:
    seen = Tally(Rates())
    for event in ("chats", "questions", "questions_admitted", "finishes"):
        seen.count(event)
    seen.answered("start", 0.012, Answer(True, "u"), "")
    nodes = {"responseData": [{"id": "x"}]}
    seen.sent("anna", Payload("G5", "agent", nodes, Decimal("1.5"), "points"))
    return seen


def result(seen: Tally, differences: tuple[Difference, ...] | None = ()) -> Result:
    return Result(seen, 2.0, False, differences, {"anna": Booked(1_500_000_000, 5, 1, 5)})


def test_document_is_json_with_the_verdict_and_exact_amounts():
    told = json.loads(json.dumps(document(OPTIONS, result(tally()))))
    assert told["ok"] is True
    assert told["seed"] == 42
    assert told["questions"] == {"asked": 1, "admitted": 1, "refused": 0}
    assert told["latency_ms"]["start"]["p99.9"] == 12
    assert told["finishes"]["by_shape"] == {"G5 agent": 1}
    assert told["ledger"] == {
        "checked": True,
        "ok": True,
        "visitors": 1,
        "points_sent": "1.5",
        "points_booked": "1.5",
        "charged": "0.000000005",
        "questions_booked": 1,
        "differences": [],
    }


def test_unchecked_ledger_is_said_to_be_unchecked():
    ledger = document(OPTIONS, result(tally(), None))["ledger"]
    assert ledger == {"checked": False, "ok": None, "visitors": 1, "points_sent": "1.5"}


def test_broken_answers_carry_their_meaning_and_samples():
    seen = tally()
    seen.answered("init", 1, no_answer(), "reset by peer")
    seen.answered("start", 1, Answer(False, code="visitor_rate"), "")
    told = document(OPTIONS, result(seen))
    assert told["ok"] is False
    (broken,) = told["contract"]["violations"]
    assert (broken["hook"], broken["kind"], broken["count"]) == ("init", "no_answer", 1)
    assert "connection failed" in broken["meaning"]
    assert told["contract"]["samples"] == ["init: no_answer: reset by peer"]
    assert told["refusals"] == [{"hook": "start", "code": "visitor_rate", "count": 1}]


def test_differences_fail_the_run_and_are_listed():
    found = Difference("anna", "points", "1.5", "3", "as if …")
    told = document(OPTIONS, result(tally(), (found,)))
    assert told["ok"] is told["ledger"]["ok"] is False
    assert told["ledger"]["differences"][0]["booked"] == "3"


def test_progress_is_plain_lines_where_there_is_no_terminal():
    out, seen = io.StringIO(), tally()
    with watching(2, console=Console(file=out)) as observe:
        observe(seen)
        assert out.getvalue() == ""  # not before some seconds have passed
        seen.count("chats")
        observe(seen)
        observe(seen)
    assert out.getvalue().count("2/2 chats") == 1
    assert "\x1b" not in out.getvalue()


def test_progress_is_a_bar_on_a_terminal():
    out, seen = io.StringIO(), tally()
    seen.answered("init", 1, no_answer(), "")
    seen.answered("init", 1, Answer(False, code="link_rate"), "")
    with watching(2, console=Console(file=out, force_terminal=True, width=120)) as observe:
        observe(seen)
    assert "1/2" in out.getvalue()
    assert "3 requests, 1 refused, 1 broken answers" in out.getvalue()
