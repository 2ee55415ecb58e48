"""Searching people: quickly, and whoever a plain comparison without regard to case would find."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from app.db import Database
from app.users import store
from app.users.models import User
from app.users.store import Wanted

from books import make_users

NAMES = (
    "Änne Kilian",
    "ÄNNE KILIAN",
    "王小明",
    "İstanbul",
    "\u212aelvin",  # the sign, which is k in lower case
    "100%_a/b\\c",
    "straße",
    "ΣΊΣΥΦΟΣ",
    None,
)
TEXTS = (
    *("änne", "ÄNNE K", "nn", "KILI", "王", "小明", "istan", "İS", "kelvin", "\u212aEL", "ELV"),
    *("100%", "%_", "_a/", "/b\\", "\\C", "0_%", "STRASSE", "ß", "ς", "σίσ", "k", "Ünn", "明王"),
)


@pytest.fixture
def people(db: Database, now) -> Database:
    with db.begin() as session:
        for user_id, name in zip(make_users(session, now, len(NAMES)), NAMES, strict=True):
            session.get_one(User, user_id).name = name
    return db


def test_text_finds_whom_a_plain_comparison_finds(people):
    with people.read() as session:
        for text in TEXTS:
            either = [
                column.icontains(text, autoescape=True) for column in (User.subject, User.name)
            ]
            plain = session.scalars(sa.select(User.id).where(sa.or_(*either)).order_by(User.id))
            wanted = Wanted(text=text)
            found = [one.user.id for one in store.search(session, wanted, order="oldest")]
            assert found == plain.all(), text
            assert store.count_matching(session, wanted) == len(found)
            nobody = replace(wanted, text=f"{text}\x01")
            assert store.search(session, nobody) == []


def test_other_alphabets_are_found_in_either_case_by_postgresql(people):
    with people.read() as session:
        found = {text: store.count_matching(session, Wanted(text=text)) for text in TEXTS}
    looks_past_case = people.dialect == "postgresql"
    assert found["änne"] == (2 if looks_past_case else 0)
    assert found["KILI"] == 2
    assert (found["王"], found["100%"], found["0_%"]) == (1, 1, 0)
    assert (found["istan"], found["kelvin"]) == ((1, 1) if looks_past_case else (0, 0))


def test_only_text_without_twins_is_looked_for_by_the_rules_of_ascii(people):
    """What is left out of the first look is all that could be found by other rules alone."""
    if people.dialect != "postgresql":
        pytest.skip("only there is a first look")
    every = sa.text(
        "SELECT lower(chr(n)) FROM generate_series(128, 1114111) n "
        "WHERE n NOT BETWEEN 55296 AND 57343 AND ascii(lower(chr(n))) <> n"
    )
    with people.read() as session:
        twins = session.scalars(every).all()
    assert {"i", "k"} <= set(twins)
    assert [one for one in twins if store._cheap_runs(one)] == []
