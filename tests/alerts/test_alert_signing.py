"""Signatures by the published examples, and what bots are sent and answer."""

import json

import pytest
from app.alerts import bots, signing
from app.errors import Invalid

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signature_is_that_of_the_published_example():
    headers = signing.webhook_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        epoch_s=1614265330,
        secrets=[SECRET],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_secret_in_force_signs():
    other = signing.webhook_secret(bytes(32))
    headers = signing.webhook_headers("m", b"{}", epoch_s=1, secrets=[other, SECRET])
    one, two = headers["webhook-signature"].split(" ")
    alone = signing.webhook_headers("m", b"{}", epoch_s=1, secrets=[SECRET])
    assert two == alone["webhook-signature"] != one


@pytest.mark.parametrize("secret", [SECRET, signing.webhook_secret(bytes(64))])
def test_secret_of_somebody_else_may_be_brought_along(secret):
    assert signing.check_webhook_secret(secret) == secret


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_", "whsec_?", SECRET[6:], "whsec_AAAA"])
def test_secret_that_is_none_is_refused_and_not_repeated(secret):
    with pytest.raises(Invalid) as caught:
        signing.check_webhook_secret(secret)
    assert not secret or secret == "whsec_" or secret not in caught.value.message


def test_dingtalk_keeps_the_rest_of_the_address():
    url = signing.dingtalk_url("https://d.example/robot/send?access_token=a%2Bb", "s", epoch_ms=7)
    assert url.startswith("https://d.example/robot/send?access_token=a%2Bb&timestamp=7&sign=")


@pytest.mark.parametrize("bot", ["wecom", "feishu", "dingtalk"])
def test_names_call_nobody_in_the_group(bot):
    text = '<at user_id="all"></at> <@all> @Bob'
    _, sent = bots.message(bot, "https://b", text, secret=None, epoch_ms=0)
    assert "<" not in json.dumps(sent, ensure_ascii=False)
    assert "@" not in json.dumps(sent, ensure_ascii=False)


def test_long_text_is_cut_between_characters():
    _, sent = bots.message("wecom", "https://b", "余额" * 1000, secret=None, epoch_ms=0)
    text = sent["text"]["content"]
    assert 2040 < len(text.encode()) <= 2048
    assert text.endswith(("余…", "额…"))


@pytest.mark.parametrize(
    ("bot", "answer", "error", "wait_s"),
    [
        ("wecom", {"errcode": 0, "errmsg": "ok"}, None, 0),
        ("wecom", {"errcode": 45009, "errmsg": "api freq out of limit"}, "45009", 60),
        ("wecom", {"errcode": 93000, "errmsg": "invalid webhook url"}, "93000", 0),
        ("feishu", {"code": 0, "msg": "success"}, None, 0),
        ("feishu", {"StatusCode": 0, "StatusMessage": "success"}, None, 0),
        ("feishu", {"code": 19021, "msg": "sign match fail"}, "19021: sign", 0),
        ("feishu", {"code": 11232, "msg": "frequency limited"}, "11232", 60),
        ("dingtalk", {"errcode": 0, "errmsg": "ok"}, None, 0),
        ("dingtalk", {"errcode": 310000, "errmsg": "sign not match"}, "310000", 0),
        ("dingtalk", {"errcode": 130101, "errmsg": "send too fast"}, "130101", 600),
        ("wecom", {"code": 0}, "none of this bot", 0),
        ("feishu", [], "none of this bot", 0),
    ],
)
def test_answers_of_bots_say_in_their_body_whether_they_took_it(bot, answer, error, wait_s):
    verdict = bots.verdict(bot, 200, json.dumps(answer).encode())
    assert verdict.wait_s == wait_s
    assert verdict.error is None if error is None else error in verdict.error


def test_other_statuses_are_failures_whatever_the_body_says():
    assert bots.verdict("wecom", 502, b'{"errcode": 0}').error == "HTTP 502"
    assert bots.verdict("wecom", 200, b"<html>").error is not None
