"""One statement for any number of ids."""

import pytest
import sqlalchemy as sa
from app.db import Database
from app.ids import among
from app.users.models import User

from books import make_users


@pytest.fixture
def users(db: Database, now) -> list[int]:
    with db.begin() as session:
        return make_users(session, now, 5)


def found(db: Database, ids) -> list[int]:
    with db.read() as session:
        statement = sa.select(User.id).where(among(User.id, ids)).order_by(User.id)
        return list(session.scalars(statement))


def test_it_finds_the_rows_of_these_ids_and_no_others(db, users):
    assert found(db, {users[3], users[1], 10**12}) == [users[1], users[3]]


def test_of_no_ids_it_finds_nothing(db, users):
    assert found(db, []) == []


def test_it_takes_more_ids_than_a_statement_has_parameters(db, users):
    assert found(db, range(100_000)) == users


def test_the_statement_stays_the_same_whatever_the_ids_are(db, users):
    said = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *told: said.append(told[2:4]))
    found(db, users[:1])
    found(db, users)
    one, all_ = (told for told in said if told[0].startswith("SELECT"))
    assert one[0] == all_[0]
    assert len(one[1]) == len(all_[1]) == 1


def test_it_is_looked_up_in_the_index(db, users):
    statement = sa.select(User).where(among(User.id, users[:2]), User.name != "")
    compiled = statement.compile(db.engine, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if db.dialect == "sqlite" else "EXPLAIN"
    with db.read() as session:
        if db.dialect == "postgresql":
            session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # five rows are read at once
        plan = "\n".join(map(str, session.execute(sa.text(f"{explain} {compiled}"))))
    assert "USING INTEGER PRIMARY KEY" in plan or "Index Cond: (id = ANY" in plan


def test_it_can_be_a_part_of_a_larger_condition(db, users):
    with db.read() as session:
        known, others = among(User.id, users[:2]), among(User.id, users[4:])
        statement = sa.select(sa.func.count()).where(known | others, ~among(User.id, [users[0]]))
        assert session.scalar(statement) == 2


def test_the_ids_may_be_selected(db, users):
    some = sa.select(User.id).where(User.uid.in_(["u_1", "u_3"]))
    with db.read() as session:
        found = session.scalars(sa.select(User.uid).where(among(User.id, some)).order_by(User.id))
        assert list(found) == ["u_1", "u_3"]
        none = sa.select(User.id).where(User.uid == "nobody")
        assert session.scalars(sa.select(User.uid).where(among(User.id, none))).all() == []
