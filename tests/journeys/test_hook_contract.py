"""What FastGPT may send, and the envelope it always gets, over HTTP."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

PAYLOADS = Path(__file__).parent.parent / "data" / "response_data"
NAMES = sorted(
    path.stem for path in PAYLOADS.glob("*.json") if not path.name.endswith(".expected.json")
)
UID = re.compile(r"^[A-Za-z0-9._:@-]{1,128}$")


def test_init_and_start_agree_on_a_uid_that_fastgpt_takes(service):
    link, token = service.add_link(), service.add_visitor()
    first = link.init(token)
    assert first["success"] is True
    assert (first["message"], first["msg"], first["code"]) == ("", "", "ok")
    uid = first["data"]["uid"]
    assert UID.match(uid)
    assert token not in uid
    assert {link.init(token)["data"]["uid"] for _ in range(8)} == {uid}
    assert link.start(token)["data"]["uid"] == uid


@pytest.mark.parametrize("name", NAMES)
def test_every_generation_is_billed_to_the_unit(service, name):
    body = json.loads((PAYLOADS / f"{name}.json").read_bytes(), parse_float=Decimal)
    expected = json.loads((PAYLOADS / f"{name}.expected.json").read_text("utf-8"))
    link, (subject, token) = service.add_link(), service.add_user(credit=100_000)
    raw = (
        (PAYLOADS / f"{name}.json")
        .read_bytes()
        .replace(json.dumps(body["token"]).encode(), json.dumps(token).encode(), 1)
    )
    answer = link.call("finish", raw)
    assert answer["success"] is True, answer
    [event] = service.rows(
        "SELECT e.points, e.price_sum, e.charge, e.input_tokens, e.output_tokens, e.node_count,"
        " e.app_name, e.chat_id, t.amount, t.balance_after, e.id"
        " FROM usage_events e JOIN users u ON u.id = e.user_id"
        " JOIN ledger_transactions t ON t.event_id = e.id WHERE u.subject = :subject",
        subject=subject,
    )
    total = nano(Decimal(expected["total_points"]))
    if event.price_sum is None:
        assert event.points == total
    else:
        assert event.price_sum == total
        assert event.points == nano(Decimal(expected["total_points"]) / 100_000)
    assert (event.charge, event.amount) == (event.points, -event.points)
    assert event.balance_after == nano(Decimal(100_000)) - event.charge
    assert event.input_tokens == expected["input_tokens"]
    assert event.output_tokens == expected["output_tokens"]
    assert event.node_count == expected["nodes"]
    assert event.app_name == body.get("appName")
    assert event.chat_id == body.get("chatId")
    [lines] = service.rows(
        "SELECT COALESCE(SUM(points), 0), COALESCE(SUM(charge), 0) FROM usage_lines"
        " WHERE event_id = :id",
        id=event.id,
    )
    assert tuple(int(x) for x in lines) == (event.points, event.charge)


BROKEN = {
    "no body": b"",
    "not json": b"<html>",
    "json but no object": b"[1, 2]",
    "cut off": b'{"token": "x',
    "binary": bytes(range(256)),
    "deep": b'{"token":' * 50_000,
    "token missing": b"{}",
    "token null": b'{"token": null}',
    "token number": b'{"token": 12}',
    "token object": b'{"token": {"a": "b"}}',
    "token empty": b'{"token": ""}',
    "token huge": b'{"token": "' + b"x" * 1_000_000 + b'"}',
    "token with NUL": b'{"token": "a\\u0000b"}',
    "token with a lone surrogate": b'{"token": "\\ud83d"}',
    "invalid utf-8": b'{"token": "\xff\xfe"}',
}


@pytest.mark.parametrize("hook", ["init", "start", "finish"])
@pytest.mark.parametrize("what", BROKEN)
def test_broken_bodies_get_the_envelope_and_a_sentence(embedded_service, what, hook):
    answer = embedded_service.add_link(locale="en").call(hook, BROKEN[what])
    assert answer["success"] is False
    assert answer["code"] in {"request_malformed", "token_missing", "token_rejected"}
    assert answer["message"] == answer["msg"]
    assert answer["message"].endswith(f"(ref. {answer['reference']})")
    assert isinstance(answer["data"]["uid"], str)


@pytest.mark.parametrize("form", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_matter(embedded_service, form):
    link, token = embedded_service.add_link(), embedded_service.add_visitor()
    answer = link.pool.request(
        "POST",
        f"{link.url}/shareAuth/init",
        body=json.dumps({"token": token}).encode(),
        headers={"Content-Type": form} if form else {},
    )
    assert answer.json()["success"] is True


@pytest.mark.parametrize("question", [{"city": "Oslo"}, ["a"], 7, None, True, "", "x" * 100_000])
def test_any_form_of_question_is_taken(embedded_service, question):
    link, token = embedded_service.add_link(), embedded_service.add_visitor()
    answer = link.call("start", {"token": token, "question": question, "unknown": {"extra": 1}})
    assert answer["success"] is True


@pytest.mark.parametrize("path", ["/shareAuth/init/", "//shareAuth/init", "/shareAuth//init//"])
def test_slashes_never_redirect(embedded_service, path):
    link, token = embedded_service.add_link(), embedded_service.add_visitor()
    answer = link.pool.request("POST", link.url + path, json={"token": token}, redirect=False)
    assert (answer.status, answer.json()["success"]) == (200, True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_get_the_envelope(embedded_service, method):
    link = embedded_service.add_link()
    answer = link.pool.request(method, f"{link.url}/shareAuth/init", redirect=False)
    assert answer.status == 200
    if method != "HEAD":
        assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/l/unknown/shareAuth/init", "link_unknown"),
        ("/l/unknown/shareAuth/finish", "link_unknown"),
        ("/shareAuth/finish", "link_unknown"),
        ("/l/", "hook_unknown"),
        ("/l/unknown", "hook_unknown"),
        ("/l/unknown/shareAuth/stop", "hook_unknown"),
        ("/l/unknown/shareAuth/init/shareAuth/init", "hook_unknown"),
    ],
)
def test_wrong_addresses_explain_themselves(embedded_service, path, code):
    answer = embedded_service.pool.request(
        "POST", embedded_service.url + path, json={"token": "x"}, redirect=False
    )
    assert answer.status == 200
    assert answer.json()["code"] == code


def test_a_valid_token_without_the_link_key_bills_nobody(service):
    link, (subject, token) = service.add_link(), service.add_user()
    assert link.init(token)["success"] is True
    stranger = service.pool.request(
        "POST",
        f"{service.url}/l/guess/shareAuth/finish",
        json={"token": token, "responseData": [{"moduleType": "chatNode", "totalPoints": 5}]},
    ).json()
    assert (stranger["success"], stranger["code"]) == (False, "link_unknown")
    assert billed(service, subject) == []


ODD = {
    "negative": -5,
    "missing": None,
    "string": "12",
    "object": {"a": 1},
    "absurd": 1e300,
    "boolean": True,
    "list": [1],
}


@pytest.mark.parametrize("what", ODD)
def test_odd_numbers_are_recorded_with_a_warning_and_credit_nobody(service, what):
    link, (subject, token) = service.add_link(), service.add_user()
    nodes = [
        {"id": "a", "moduleType": "chatNode", "model": "m", "totalPoints": 2, "inputTokens": 1},
        {"id": "b", "moduleType": "chatNode", "model": "m", "inputTokens": -3},
    ]
    if ODD[what] is not None:
        nodes[1]["totalPoints"] = ODD[what]
    assert link.finish(token, nodes)["success"] is True
    [(points, charge, warnings)] = billed(service, subject)
    assert (points, charge) == (2 * 10**9, 2 * 10**9)
    assert warnings


def test_nan_which_is_no_json_is_recorded_all_the_same(service):
    link, (subject, token) = service.add_link(), service.add_user()
    nodes = (
        '[{"id": "n", "moduleType": "chatNode", "totalPoints": NaN, "inputTokens": Infinity,'
        ' "historyPreview": "\\ud83d"}]'
    )
    raw = f'{{"token": "{token}", "responseData": {nodes}}}'
    assert link.call("finish", raw.encode())["success"] is True
    [(points, charge, warnings)] = billed(service, subject)
    assert (points, charge) == (0, 0)
    assert warnings


def test_what_cannot_be_billed_is_kept_for_an_operator(service):
    link = service.add_link()
    assert link.call("finish", b'{"token": "nobody", "responseData": []}')["success"] is False
    assert link.call("finish", b"not json at all")["success"] is False
    kept = service.rows(
        "SELECT reason, sealed_body FROM quarantined_finishes WHERE link_id = :id ORDER BY id",
        id=link.link_id,
    )
    assert [row.reason for row in kept] == ["token_rejected", "request_malformed"]
    assert all(b"nobody" not in bytes(row.sealed_body) for row in kept)


def test_a_body_beyond_the_limit_is_answered_counted_and_kept_in_mind(service):
    link, token = service.add_link(), service.add_visitor()
    padding = b"x" * (33 * 1024 * 1024)
    body = b'{"token": "' + token.encode() + b'", "padding": "' + padding + b'"}'
    answer = link.call("finish", body)
    assert (answer["success"], answer["code"]) == (False, "body_too_large")
    [kept] = service.rows(
        "SELECT reason, body_bytes FROM quarantined_finishes WHERE link_id = :id", id=link.link_id
    )
    assert tuple(kept) == ("body_too_large", len(body))
    metrics = service.pool.request("GET", f"{service.url}/metrics").data.decode()
    assert 'shareauth_oversized_bodies_total{hook="finish"}' in metrics
    assert link.init(token)["success"] is True


def test_a_body_within_the_limit_is_billed_however_large(service):
    link, (subject, token) = service.add_link(), service.add_user()
    quotes = "x" * (20 * 1024 * 1024)
    node = {"id": "n", "moduleType": "chatNode", "totalPoints": 0.5, "quoteList": [{"q": quotes}]}
    assert link.finish(token, [node])["success"] is True
    assert [row[:2] for row in billed(service, subject)] == [(500_000_000, 500_000_000)]


def billed(service, subject: str) -> list[tuple]:
    rows = service.rows(
        "SELECT e.points, e.charge, e.warnings FROM usage_events e"
        " JOIN users u ON u.id = e.user_id WHERE u.subject = :subject",
        subject=subject,
    )
    return [
        (row[0], row[1], json.loads(row[2]) if isinstance(row[2], str) else row[2]) for row in rows
    ]


def nano(amount: Decimal) -> int:
    return int((amount * 10**9).to_integral_value())
