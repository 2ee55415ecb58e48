"""Sentences that survive FastGPT, whoever wrote them."""

import pytest
from app.errors import Invalid
from app.i18n import FASTGPT_ERROR_NAMES, by_code, check_message, duration, sentence


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "1 秒", "1 second"),
        (1, "1 秒", "1 second"),
        (40, "40 秒", "40 seconds"),
        (60, "1 分钟", "1 minute"),
        (61, "2 分钟", "2 minutes"),
        (3600, "1 小时", "1 hour"),
        (86399, "24 小时", "24 hours"),
        (86401, "2 天", "2 days"),
    ],
)
def test_duration_is_rounded_up_in_one_unit(seconds, zh, en):
    assert duration(seconds, "zh") == zh
    assert duration(seconds, "en") == en


def test_sentence_fills_the_wait_in_words():
    assert sentence("visitor_rate", "en", {"wait_s": 61}).endswith("Please wait 2 minutes.")


def test_sentence_without_a_known_wait_says_a_moment():
    assert "a moment" in sentence("visitor_rate", "en", {})


def test_first_override_that_has_the_language_wins():
    link = {"visitor_rate": {"zh": "慢一点"}}
    service = {"visitor_rate": {"zh": "不对", "en": "Slow down, {wait}."}}
    assert sentence("visitor_rate", "zh", {"wait_s": 2}, link, service) == "慢一点"
    assert sentence("visitor_rate", "en", {"wait_s": 2}, link, service) == "Slow down, 2 seconds."


def test_unknown_code_reads_as_our_own_fault():
    assert sentence("no_such_code", "en", {}) == sentence("internal_error", "en", {})


def test_stored_sentence_that_cannot_be_filled_is_said_as_it_is():
    assert sentence("visitor_rate", "en", {}, {"visitor_rate": {"en": "{oops"}}) == "{oops"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "Top up at https://pay.example.com now",
        "HTTP://pay.example.com",
        "ns-account is empty",
        "too many questions-per-day",
        "{0}",
        "{}",
        "{name}",
        "{limit.__class__}",
        "{limit!r}",
        "{limit:>999999999}",
        "{wait",
        "x" * 501,
        *FASTGPT_ERROR_NAMES,
    ],
)
def test_sentences_fastgpt_would_rewrite_or_that_cannot_be_filled_are_refused(text):
    with pytest.raises(Invalid) as refused:
        check_message("visitor_rate", text)
    assert refused.value.code == "message_invalid"


def test_unknown_message_codes_are_refused():
    with pytest.raises(Invalid):
        check_message("no_such_code", "fine")


def test_settings_messages_become_overrides():
    turned = by_code({"zh": {"link_disabled": "停"}, "en": {"link_disabled": "Off"}})
    assert turned == {"link_disabled": {"zh": "停", "en": "Off"}}
    assert sentence("link_disabled", "en", {}, turned) == "Off"


def test_settings_messages_are_checked():
    with pytest.raises(Invalid):
        by_code({"en": {"link_disabled": "see https://example.com"}})
