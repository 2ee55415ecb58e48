"""What one simulated chat will do, decided before it begins by nothing but seed and number."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from app.simulator import payloads, texts
from app.simulator.payloads import Payload

_WAIT_LONGEST = 5
"""An answer takes at most so many times the mean."""
_PROXY_DELAY_S = 0.2


@dataclass(frozen=True, slots=True)
class Habits:
    """How visitors behave; rates are shares of chats between 0 and 1, ``wait_s`` is a mean."""

    generations: Sequence[str] = payloads.GENERATIONS
    abort_rate: float = 0.05
    duplicate_rate: float = 0.02
    parallel_rate: float = 0.1
    wait_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Round:
    """One question and what comes of it.

    ``payload`` is None when no finish will come. ``copies_after_s`` are the delays of the copies
    that a proxy makes of it. ``inits_*`` count what the page reads meanwhile: uploads before,
    the sidebar's polls during, question guide, citations and the rest after.
    """

    question: str
    payload: Payload | None
    wait_s: float
    finish_delay_s: float
    copies_after_s: tuple[float, ...]
    inits_before: int
    inits_during: int
    inits_after: int


@dataclass(frozen=True, slots=True)
class Chat:
    """A page opened by one visitor; each tab asks its questions beside the others."""

    number: int
    visitor: int
    opening_inits: int
    tabs: tuple[tuple[Round, ...], ...]


def plan(seed: int, number: int, visitor_count: int, habits: Habits) -> Chat:
    """Chat ``number`` of the run with this seed: always the same one."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311 - repeatable on purpose, guards nothing
    visitor = rng.randrange(visitor_count)
    tab_count = 2 if rng.random() < habits.parallel_rate else 1
    tabs = tuple(_tab(rng, habits) for _ in range(tab_count))
    return Chat(number, visitor, rng.randint(3, 4), tabs)


def _tab(rng: random.Random, habits: Habits) -> tuple[Round, ...]:
    generation = rng.choice(habits.generations)
    if rng.random() < habits.abort_rate:
        is_reported = rng.random() < 0.5  # noqa: PLR2004 - half close the page, half crash
        payload = payloads.make_cut_short(rng, generation) if is_reported else None
        return (_round(rng, habits, texts.question(rng), payload),)
    first, *later = payloads.make(rng, generation)
    rounds = [_round(rng, habits, texts.question(rng), first)]
    rounds += [_round(rng, habits, texts.choice_or_form(rng), payload) for payload in later]
    return tuple(rounds)


def _round(rng: random.Random, habits: Habits, question: str, payload: Payload | None) -> Round:
    wait_s = 0.0
    if habits.wait_s:
        wait_s = min(rng.expovariate(1 / habits.wait_s), _WAIT_LONGEST * habits.wait_s)
    is_late = rng.random() < 0.3  # noqa: PLR2004 - late enough to come after the next start
    copies = rng.randint(1, 2) if rng.random() < habits.duplicate_rate else 0
    return Round(
        question=question,
        payload=payload,
        wait_s=wait_s,
        finish_delay_s=rng.uniform(0, 2 * habits.wait_s) if is_late else 0,
        copies_after_s=tuple(
            rng.choice((0, rng.uniform(0, _PROXY_DELAY_S))) for _ in range(copies)
        ),
        inits_before=_happens(rng, 0.1),
        inits_during=rng.randint(0, 2) if payload and payload.generation == "G5" else 0,
        inits_after=_reads_after(rng),
    )


def _reads_after(rng: random.Random) -> int:
    """Question guide, full response, one or two citations, another chat and back, scrolling."""
    reads = _happens(rng, 0.5) + _happens(rng, 0.2) + _happens(rng, 0.3)
    reads += rng.randint(1, 2) * _happens(rng, 0.2)
    return reads + 2 * _happens(rng, 0.2)


def _happens(rng: random.Random, share: float) -> int:
    return int(rng.random() < share)
