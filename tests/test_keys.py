"""Digests, seals and uids."""

import re

import pytest
from app.keys import TOKEN_PREFIX, Keys, SealBroken, new_link_key, new_reference, new_token
from hypothesis import given
from hypothesis import strategies as st

KEYS = Keys("a secret that is only good for tests, 32+")
ANY_TEXT = st.text(st.characters(codec=None, categories=None))  # lone surrogates and NUL too


def accepted_by_fastgpt(uid: str) -> bool:
    return 0 < len(uid.encode("utf-8")) <= 255 and not re.search(r"[|\\/]", uid)


@given(issuer=ANY_TEXT, subject=ANY_TEXT)
def test_uid_is_accepted_by_fastgpt_whatever_the_subject_contains(issuer, subject):
    uid = KEYS.uid(issuer, subject)
    assert accepted_by_fastgpt(uid)
    assert re.fullmatch(r"u_[a-z2-7]{26}", uid)


def test_fastgpts_rule_refuses_what_it_should():
    assert not any(accepted_by_fastgpt(uid) for uid in ["", "a|b", "a\\b", "a/b", "é" * 128])


@given(subject=ANY_TEXT)
def test_uid_is_stable_and_the_issuers_own(subject):
    assert KEYS.uid("portal", subject) == Keys("a secret that is only good for tests, 32+").uid(
        "portal", subject
    )
    assert KEYS.uid("portal", subject) != KEYS.uid("other", subject)


def test_uid_never_changes_between_versions():
    assert KEYS.uid("portal", "stu-2291") == "u_oaaqnlot5psco3a7gj322ato4y"


@given(text=ANY_TEXT)
def test_digests_are_hex_and_differ_by_purpose(text):
    assert re.fullmatch("[0-9a-f]{64}", KEYS.token_digest(text))
    assert KEYS.token_digest(text) != KEYS.link_key_digest(text)


def test_another_secret_makes_other_digests_and_uids():
    other = Keys("another secret that is good for tests, 32+")
    assert other.token_digest("t") != KEYS.token_digest("t")
    assert other.uid("i", "s") != KEYS.uid("i", "s")


def test_sealed_value_opens_only_with_the_same_secret():
    sealed = KEYS.seal(b"secret")
    assert "secret" not in sealed
    assert KEYS.unseal(sealed) == b"secret"
    with pytest.raises(SealBroken):
        Keys("another secret that is good for tests, 32+").unseal(sealed)


def test_new_texts_are_unguessable_and_fit_into_addresses():
    assert len({new_link_key() for _ in range(100)}) == 100
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", new_link_key())
    assert re.fullmatch(TOKEN_PREFIX + r"[A-Za-z0-9_-]{43}", new_token())
    assert re.fullmatch(r"[a-z2-7]{10}", new_reference())
