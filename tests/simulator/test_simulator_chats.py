from app.simulator import chats, payloads
from app.simulator.chats import Habits

PLANS = 400


def plans(habits: Habits = Habits(), seed: int = 7) -> list[chats.Chat]:  # noqa: B008 - frozen
    return [chats.plan(seed, number, 20, habits) for number in range(PLANS)]


def rounds(habits: Habits) -> list[chats.Round]:
    return [turn for chat in plans(habits) for tab in chat.tabs for turn in tab]


def test_same_seed_plans_the_same_chats():
    assert plans() == plans()
    assert plans() != plans(seed=8)


def test_page_opening_reads_three_or_four_times():
    assert {chat.opening_inits for chat in plans()} == {3, 4}


def test_init_start_and_finish_come_in_fastgpts_proportions():
    turns = rounds(Habits())
    inits = sum(chat.opening_inits for chat in plans())
    inits += sum(turn.inits_before + turn.inits_during + turn.inits_after for turn in turns)
    finishes = sum(turn.payload is not None for turn in turns)
    assert 3.5 <= inits / len(turns) <= 10
    assert 0.9 <= finishes / len(turns) <= 1


def test_all_visitors_and_generations_take_part():
    assert {chat.visitor for chat in plans()} == set(range(20))
    seen = {turn.payload.generation for turn in rounds(Habits()) if turn.payload}
    assert seen == set(payloads.GENERATIONS)


def test_only_the_asked_generations_occur():
    seen = {
        turn.payload.generation for turn in rounds(Habits(generations=("G0", "G5"))) if turn.payload
    }
    assert seen == {"G0", "G5"}


def test_rates_of_zero_and_one_are_kept():
    calm = rounds(Habits(abort_rate=0, duplicate_rate=0, parallel_rate=0))
    assert all(turn.payload and not turn.copies_after_s for turn in calm)
    wild = Habits(abort_rate=1, duplicate_rate=1, parallel_rate=1)
    assert all(len(chat.tabs) == 2 for chat in plans(wild))
    turns = rounds(wild)
    assert all(turn.copies_after_s for turn in turns)
    assert {turn.payload and turn.payload.shape for turn in turns} == {None, payloads.CUT_SHORT}


def test_waits_are_bounded_by_five_times_the_mean():
    assert all(turn.wait_s <= 2 for turn in rounds(Habits(wait_s=0.4)))
    assert all(turn.wait_s == turn.finish_delay_s == 0 for turn in rounds(Habits(wait_s=0)))


def test_questions_take_every_form_fastgpt_sends():
    questions = {turn.question for turn in rounds(Habits())}
    assert "" in questions
    assert "{}" in questions
    assert any(question.startswith('{"city"') for question in questions)
    assert any("\x00" in question for question in questions)
