"""Whatever a visitor may be refused with has a sentence in both languages."""

import house_rules as rules
import pytest
from app.i18n import LOCALES, MESSAGES, check_message, sentence
from house_rules import Module

REFUSALS = rules.refusal_codes(rules.modules("app"))


def test_every_refusal_has_a_sentence():
    missing = {code: place for code, place in REFUSALS.items() if code not in MESSAGES}
    missing.pop("denied", None)  # the family itself; nothing is refused with it
    assert missing == {}


def test_refusals_are_found_in_subclasses_and_calls():
    text = (
        "class Refused(Denied):\n    code = 'a'\n"
        "class Later(errors.Refused):\n    code = 'b'\n"
        "class Other(Invalid):\n    code = 'c'\n"
        "raise Later('no', code='d')\n"
    )
    assert set(rules.refusal_codes([Module.of("app/x.py", text)])) == {"a", "b", "d"}


@pytest.mark.parametrize("code", sorted(MESSAGES))
def test_every_sentence_is_in_every_language(code):
    assert set(MESSAGES[code]) == set(LOCALES)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("code", sorted(set(MESSAGES) - {"ok"}))
def test_our_own_sentences_survive_fastgpt_and_are_filled(code, locale):
    check_message(code, MESSAGES[code][locale])
    said = sentence(code, locale, {"wait_s": 40, "limit": 3, "balance": "1.5"})
    assert "{" not in said
    assert "}" not in said
