"""The envelope, whatever is wrong."""

import pytest
from app.admission.refusals import RateExceeded
from app.db import DatabaseAway
from app.errors import ServiceError
from app.hooks import replies
from app.hooks.replies import Voice
from app.i18n import FASTGPT_ERROR_NAMES, LOCALES, MESSAGES
from flask import Flask


@pytest.fixture(autouse=True)
def in_app():
    with Flask(__name__).test_request_context():
        yield


def said(error: ServiceError, voice: Voice) -> dict:
    return replies.refused(error, voice, reference="abc").get_json()


def test_a_refusal_has_one_sentence_a_code_and_a_reference():
    error = RateExceeded("too fast", code="visitor_rate", retry_after_s=40, wait_s=40)
    answer = said(error, Voice("en"))
    assert answer["message"] == "You are asking too fast. Please wait 40 seconds. (ref. abc)"
    assert answer["msg"] == answer["message"]
    assert (answer["code"], answer["reference"], answer["retry_after_s"]) == (
        "visitor_rate",
        "abc",
        40,
    )
    assert answer["success"] is False


def test_the_links_own_words_win_over_the_services_and_those_over_ours():
    error = ServiceError("no", code="link_disabled")
    ours, links = {"link_disabled": {"en": "House"}}, {"link_disabled": {"en": "Door"}}
    assert said(error, Voice("en", (links, ours)))["message"] == "Door (ref. abc)"
    assert said(error, Voice("en", (ours,)))["message"] == "House (ref. abc)"
    assert said(error, Voice("zh", (links,)))["message"].startswith("此分享链接已停用")


def test_what_is_away_is_not_the_visitors_business():
    answer = said(DatabaseAway("password authentication failed for postgres"), Voice("en"))
    assert answer["code"] == "database_away"
    assert answer["message"].startswith(MESSAGES["unavailable"]["en"])


def test_an_unknown_code_still_gets_a_sentence():
    answer = said(ServiceError("secret detail", code="never_heard_of"), Voice("en"))
    assert answer["message"].startswith(MESSAGES["internal_error"]["en"])


@pytest.mark.parametrize("code", [code for code in MESSAGES if code != "ok"])
@pytest.mark.parametrize("locale", LOCALES)
def test_every_sentence_survives_what_fastgpt_does_to_it(code, locale):
    error = ServiceError("x", code=code, wait_s=5, limit=3, balance="1.5")
    message = said(error, Voice(locale))["message"]
    assert "http" not in message
    assert "{" not in message
    assert not any(word.startswith("ns-") for word in message.split())
    assert message not in FASTGPT_ERROR_NAMES
