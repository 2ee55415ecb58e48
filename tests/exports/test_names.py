"""Names behind ids, which are looked up while the rows that have them are still arriving."""

import random
from functools import partial

import pytest
import sqlalchemy as sa
from app.exports.names import store
from app.exports.names.store import Known
from app.exports.walk.store import PIECE, Pieces, fetch
from app.users.models import User

from books import make_users

USERS = 3 * PIECE + 100


@pytest.fixture
def users(db, now):
    """Their ids; each has a name of its own."""
    with db.begin() as session:
        return make_users(session, now, USERS)


class Asked:
    """Counts what a session is asked for."""

    def __init__(self, session):
        self._ask = partial(fetch, session)
        self.times = 0

    def __call__(self, statement):
        self.times += 1
        return self._ask(statement)


def subjects(users, ids):
    return [None if one is None else f"person-{users.index(one)}" for one in ids]


def test_pieces_keep_their_order_whatever_is_asked_in_the_middle(db, users):
    found, asked = [], []
    statement = sa.select(User.id, User.subject).order_by(User.id)
    with db.read() as session, Pieces(session, statement) as pieces:
        for number, (ids, names) in enumerate(pieces):
            if number in {1, 2}:
                ((count,),) = pieces.ask(sa.select(sa.func.count(User.id)))
                asked.append(count)
            found += zip(ids, names, strict=True)
    assert found == list(zip(users, subjects(users, users), strict=True))
    assert asked == [USERS, USERS]


def test_pieces_of_nothing_are_none(db, users):
    statement = sa.select(User.id).where(User.id > users[-1])
    with db.read() as session, Pieces(session, statement) as pieces:
        assert list(pieces) == []
        assert pieces.ask(statement) == [[]]


def test_names_are_those_of_the_ids_in_their_order(db, users):
    known, dice = Known(User.id, User.subject, User.uid), random.Random(7)
    with db.read() as session:
        for _ in range(40):
            ids = dice.choices([None, *users], k=20)
            names, uids = known.columns(partial(fetch, session), ids)
            assert names == subjects(users, ids)
            assert uids == [name and name.replace("person-", "u_") for name in names]


def test_whom_nobody_knows_has_no_name(db, users):
    known = Known(User.id, User.subject)
    with db.read() as session:
        asked = Asked(session)
        for _ in range(2):
            ids = [users[-1] + 1, users[0], None]
            assert known.columns(asked, ids) == [[None, "person-0", None]]
    assert asked.times == 2  # once for the highest id


def test_others_are_met_at_once_when_many_are_known(db, users):
    known = Known(User.id, User.subject)
    with db.read() as session:
        asked = Asked(session)
        known.columns(asked, users[: USERS // 4])
        few = asked.times
        known.columns(asked, users[-2:-1])
        assert asked.times == few + 1
        known.columns(asked, users)
        assert asked.times == few + 1


def test_few_that_are_met_of_many_are_looked_up_alone(db, users):
    known = Known(User.id, User.subject)
    with db.read() as session:
        asked = Asked(session)
        known.columns(asked, users[:2])
        known.columns(asked, users[2:4])
        before = asked.times
        known.columns(asked, users[4:6])
        assert asked.times == before + 1


def test_no_more_are_kept_than_there_is_room_for(db, users, monkeypatch):
    monkeypatch.setattr(store, "KEPT", 30)
    known, dice = Known(User.id, User.subject), random.Random(7)
    with db.read() as session:
        for _ in range(20):
            ids = dice.choices(users, k=20)
            assert known.columns(partial(fetch, session), ids) == [subjects(users, ids)]
            assert all(len(names) <= 31 for names in known._found)


def test_who_comes_after_all_were_met_is_looked_up(db, users):
    known = Known(User.id, User.subject)
    with db.begin() as session:
        ask = partial(fetch, session)
        known.columns(ask, users[: USERS // 2])
        known.columns(ask, users)
        session.execute(sa.update(User).where(User.id == users[0]).values(subject="renamed"))
        newcomer = User(
            issuer_id=session.scalar(sa.select(User.issuer_id).where(User.id == users[0])),
            subject="newcomer",
            uid="u_new",
            attributes={},
            limits={},
            status="active",
            created_at=session.scalar(sa.select(User.created_at).where(User.id == users[0])),
        )
        session.add(newcomer)
        session.flush()
        assert known.columns(ask, [newcomer.id, users[0]]) == [["newcomer", "person-0"]]
