import json

import pytest
from app.simulator import contract


def read(reply: object, hook: contract.Hook = "start", status: int = 200) -> contract.Answer:
    return contract.read(hook, status, json.dumps(reply).encode())


def test_good_answer_is_accepted_with_its_uid():
    answer = read({"success": True, "message": "", "data": {"uid": "u_1"}, "code": "ok"})
    assert (answer.is_accepted, answer.uid, answer.violations) == (True, "u_1", ())


def test_refusal_keeps_its_code_and_breaks_nothing():
    answer = read({"success": False, "message": "Balance used up", "code": "balance_too_low"})
    assert (answer.is_accepted, answer.code, answer.violations) == (False, "balance_too_low", ())


def test_message_may_stand_in_msg_alone():
    assert read({"success": False, "msg": "No"}).violations == ()


@pytest.mark.parametrize("status", [201, 301, 307, 404, 500, 503])
def test_every_status_but_200_breaks_the_contract(status):
    answer = read({"success": True, "data": {"uid": "u"}}, status=status)
    assert (answer.is_accepted, answer.violations) == (None, ("http_status",))


@pytest.mark.parametrize("success", ["true", 1, None, "", 0])
def test_success_must_be_a_boolean(success):
    assert read({"success": success}).violations == ("success_not_boolean",)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"ok"', b"[" * 100_000, b"\xff"])
def test_body_must_be_a_json_object(body):
    assert contract.read("init", 200, body).violations == ("not_json",)


@pytest.mark.parametrize(
    ("data", "violation"),
    [
        (None, "uid_missing"),
        ({}, "uid_missing"),
        ({"uid": ""}, "uid_missing"),
        ({"uid": 7}, "uid_invalid"),
        ({"uid": "a/b"}, "uid_invalid"),
        ({"uid": "a|b"}, "uid_invalid"),
        ({"uid": "a\\b"}, "uid_invalid"),
        ({"uid": "学" * 86}, "uid_invalid"),
    ],
)
def test_uid_must_pass_fastgpts_own_check(data, violation):
    assert read({"success": True, "data": data}).violations == (violation,)


def test_uid_of_255_bytes_passes():
    assert read({"success": True, "data": {"uid": "学" * 85}}).violations == ()


@pytest.mark.parametrize("message", ["", "  ", None, 3])
def test_refusal_needs_words(message):
    assert read({"success": False, "message": message}).violations == ("message_missing",)


@pytest.mark.parametrize("message", ["Top up: https://pay.example", "see ns-17", "ns-x"])
def test_words_that_fastgpt_masks_are_found(message):
    assert read({"success": False, "message": message}).violations == ("message_masked",)


def test_finish_needs_neither_uid_nor_words():
    assert read({"success": True}, "finish").violations == ()
    assert read({"success": False, "code": "link_unknown"}, "finish").violations == ()


def test_every_violation_has_an_explanation():
    assert set(contract.no_answer().violations) <= set(contract.VIOLATIONS)
