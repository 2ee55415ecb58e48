"""Codes: written one way, read in many, and mistyped ones noticed."""

import pytest
from app.codes import notation
from app.codes.notation import ALPHABET, DATA_LENGTH, LENGTH, CodeMalformed
from hypothesis import given
from hypothesis import strategies as st

DATA = st.text(st.sampled_from(ALPHABET), min_size=DATA_LENGTH, max_size=DATA_LENGTH)
CODES = DATA.map(lambda data: data + notation.check_character(data))


@given(CODES, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_is_noticed(code, place, letter):
    typed = code[:place] + letter + code[place + 1 :]
    if typed == code:
        assert notation.parse(typed) == code
    else:
        with pytest.raises(CodeMalformed, match="mistyped"):
            notation.parse(typed)


@given(CODES, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_any_two_exchanged_characters_are_noticed(code, one, other):
    letters = list(code)
    letters[one], letters[other] = letters[other], letters[one]
    typed = "".join(letters)
    if typed == code:
        assert notation.parse(typed) == code
    else:
        with pytest.raises(CodeMalformed):
            notation.parse(typed)


@given(CODES, st.data())
def test_a_missing_or_doubled_character_is_noticed(code, data):
    place = data.draw(st.integers(0, LENGTH - 1))
    for typed in (code[:place] + code[place + 1 :], code[:place] + code[place] + code[place:]):
        with pytest.raises(CodeMalformed):
            notation.parse(typed)


WRITERS = [
    notation.grouped,
    str.lower,
    lambda code: f"  {notation.grouped(code).replace('-', ' – ')}\n",
    lambda code: code.replace("0", "O").replace("1", "l"),
    lambda code: code.replace("0", "o").replace("1", "I"),
    lambda code: "".join(chr(ord(letter) + 0xFEE0) for letter in code),
    lambda code: "\u200b".join(notation.grouped(code)),
]


@given(CODES, st.sampled_from(WRITERS))
def test_however_a_person_writes_it_it_is_the_same_code(code, write):
    assert notation.parse(write(code)) == code


@given(st.text(max_size=40))
def test_anything_else_is_refused_and_never_a_fault(text):
    try:
        code = notation.parse(text)
    except CodeMalformed:
        return
    assert notation.parse(notation.grouped(code)) == code


def test_new_codes_are_of_80_bits_and_read_in_groups():
    codes = {notation.new_code() for _ in range(200)}
    assert len(codes) == 200
    assert {notation.parse(code) for code in codes} == codes
    assert [len(group) for group in notation.grouped(codes.pop()).split("-")] == [4, 4, 4, 4, 1]
    assert len(ALPHABET) ** DATA_LENGTH == 2**80
    # Every letter is dealt: 3400 draws miss one of 32 with a chance below 1e-44.
    assert set("".join(notation.new_code() for _ in range(200))) == set(ALPHABET)
