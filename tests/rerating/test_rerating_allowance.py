"""What a month's allowance has left: nobody gets it twice, and nothing changes by itself."""

from app.rerating.allowance import Room, Standing
from hypothesis import given
from hypothesis import strategies as st


def test_answers_share_what_the_book_gives_in_their_order():
    room = Room([])
    assert room.left(1, allowance=5) == 5
    room.take(3)
    assert room.left(2, allowance=5) == 2
    room.take(2)
    assert room.left(3, allowance=5) == 0
    assert room.left(4, allowance=7) == 2


def test_what_others_used_before_is_gone():
    room = Room([Standing(1, taken=4, allowance=5)])
    assert room.left(2, allowance=5) == 1
    assert room.left(2, allowance=3) == 0


def test_what_others_used_later_stays_theirs():
    room = Room([Standing(9, taken=5, allowance=5)])
    assert room.left(1, allowance=5) == 0


def test_a_later_answer_with_a_larger_allowance_leaves_what_it_had_left():
    room = Room([Standing(9, taken=3, allowance=10)])
    assert room.left(1, allowance=5) == 5
    assert room.left(1, allowance=50) == 7


def test_a_later_answer_does_not_bind_those_behind_it():
    room = Room([Standing(1, taken=5, allowance=5)])
    assert room.left(2, allowance=10) == 5


@st.composite
def months(draw):
    """Answers as they were charged, each by a book of its own, and which are priced again."""
    used, answers = 0, []
    for number in range(draw(st.integers(1, 8))):
        allowance, cost = draw(st.integers(0, 10)), draw(st.integers(0, 6))
        taken = min(cost, max(allowance - used, 0))
        used += taken
        answers.append((number, allowance, cost, taken, draw(st.booleans())))
    return answers


def standing(answers):
    return [
        Standing(number, taken, allowance)
        for number, allowance, _, taken, is_selected in answers
        if taken and not is_selected
    ]


@given(months())
def test_priced_by_their_own_books_answers_are_as_free_as_they_were(answers):
    room = Room(standing(answers))
    for number, allowance, cost, taken, is_selected in answers:
        if is_selected:
            assert min(cost, room.left(number, allowance=allowance)) == taken
            room.take(taken)


@given(months(), st.integers(0, 12))
def test_priced_by_another_book_no_answer_stands_beyond_its_own(answers, given_):
    room, used = Room(standing(answers)), 0
    for number, allowance, cost, taken, is_selected in answers:
        limit = given_ if is_selected else allowance
        if is_selected:
            taken = min(cost, room.left(number, allowance=given_))  # noqa: PLW2901
            room.take(taken)
        used += taken
        assert not taken or used <= limit
