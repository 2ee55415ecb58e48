"""The views are as docs/analytics.md says, exact, and all that a reader can see."""

import re
import uuid
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlalchemy as sa
from app.analytics import readers
from app.analytics.readers import OnlyPostgres
from app.audit.journal import Actor
from app.errors import Conflict, Invalid
from app.funding import changes
from app.funding.changes import Change
from app.reports.rollup import follow
from app.tables import metadata
from app.turns.settle import settle_turns

from closing_builders import NANO, House, at
from turn_builders import RULES, Stage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "analytics.md"
ACTOR = Actor("alice", "cli")
PEOPLE_SAY = {"subject", "name", "locale", "attributes"}


def documented():
    """View: its columns with their types, from the page."""
    text = PAGE.read_text("utf-8").partition("## The views")[2].partition("## The feed")[0]
    found = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = part.partition("\n")
        found[name] = re.findall(r"^\| `(\w+)` \| ([\w/]+) \|", rest, flags=re.MULTILINE)
    return found


def place(db, view):
    return f"reporting_v1{'_' if db.dialect == 'sqlite' else '.'}{view}"


@pytest.fixture
def books(db, now):
    """Some answers, a top-up and the sums of it all."""
    stage = Stage(db, now)
    paid = Change(stage.user_ids[0], 10**18 + 1, "CNY", "paid", "k")
    changes.top_up(db, paid, actor=ACTOR, now=now)
    with db.begin() as session:
        turns = [stage.turn(f"t{n}", n % 3, points=0.123456789) for n in range(9)]
        settle_turns(session, turns, RULES)
    with db.begin() as session:
        follow.advance(session, zone=RULES.zone, now=now)
    return stage


def test_views_are_as_documented_and_hold_whole_amounts(books, db):
    said = documented()
    with db.read() as session:
        connection = session.connection()
        on_sqlite = db.dialect == "sqlite"
        inspector = sa.inspect(connection)
        names = inspector.get_view_names(None if on_sqlite else "reporting_v1")
        assert {name.removeprefix("reporting_v1_") for name in names} == set(said)
        # Of itself pandas makes floats of decimals.
        frames = {
            name: pd.read_sql(f"SELECT * FROM {place(db, name)}", connection, coerce_float=False)
            for name in said
        }
        for name, columns in said.items():
            suffix = {"amount": "_nano"} if on_sqlite else {}
            shown = [column + suffix.get(kind, "") for column, kind in columns]
            assert list(frames[name].columns) == shown, name
        if not on_sqlite:
            kinds = {
                (name, column["name"]): str(column["type"])
                for name in said
                for column in inspector.get_columns(name, "reporting_v1")
            }
            amounts = [key for key, kind in kinds.items() if kind == "NUMERIC(28, 9)"]
            assert sorted(amounts) == sorted(
                (name, column)
                for name, shown in said.items()
                for column, kind in shown
                if kind == "amount"
            )
        for name in ("usage_events", "usage_lines", "monthly_usage", "months", "daily_usage"):
            column = "points_nano" if on_sqlite else "points"
            total = frames[name][column].sum()
            assert total == (9 * 123456789 if on_sqlite else Decimal("1.111111101")), name
        postings = frames["postings"]
        assert len(postings) == 20
        summed = duckdb.sql(
            "SELECT sum(amount_nano) FROM postings"
            if on_sqlite
            else "SELECT sum(amount::DECIMAL(28, 9)) FROM postings"
        ).fetchall()
        assert summed == [(0,)]
        paid = frames["transactions"].query("kind == 'top_up'")
        value = paid["amount_nano" if on_sqlite else "amount"].item()
        assert value == (10**18 + 1 if on_sqlite else Decimal("1000000000.000000001"))
        for name in set(said) - {"people", "segments"}:
            assert PEOPLE_SAY & set(frames[name].columns) <= {"name"}, name
        assert "name" not in frames["users"].columns


def test_views_of_billing_are_what_the_months_say(db):
    house = House(db, users=2, departments=("R&D", "R&D"))
    month = at("2026-12-01", "00:00")
    house.grant(0, at("2026-11-02"), 5 * NANO, month, priority=60)
    house.give_monthly(0, at("2026-11-02"), 3 * NANO, 202611)
    revoked = house.grant(1, at("2026-11-02"), 7 * NANO, at("2026-12-10"))
    house.revoke(at("2026-11-20"), revoked)
    house.answer(0, at("2026-11-03"), [("GPT-5", 4 * NANO)])
    house.expire(month)
    house.close(202611)

    def rows(what):
        suffix = "_nano" if db.dialect == "sqlite" else ""
        unit = 1 if db.dialect == "sqlite" else NANO
        with db.read() as session:
            found = session.execute(sa.text(what.replace("~", suffix).replace("@", place(db, ""))))
            return [
                tuple(int(v * unit) if isinstance(v, Decimal) else v for v in row) for row in found
            ]

    columns = "grants, granted~, spent~, lapsed~, revoked~"
    plan, others = rows(f"SELECT {columns} FROM @breakage ORDER BY granted~")
    assert others == (2, 12 * NANO, 1 * NANO, 11 * NANO, 7 * NANO)
    assert plan == (1, 3 * NANO, 3 * NANO, 0, 0)
    assert rows("SELECT month, statements, departments FROM @closings") == [(202611, 3, 1)]
    said = rows("SELECT kind, department, charged~ FROM @statements ORDER BY ordinal")
    mine, yours = ("wallet", None, 4 * NANO), ("wallet", None, 0)
    assert said == [mine, yours, ("department", "R&D", 4 * NANO)]


def test_reader_reads_the_views_and_nothing_else(books, db, now):
    name = f"reader_{uuid.uuid4().hex[:8]}"
    with db.begin() as session:
        if db.dialect == "sqlite":
            with pytest.raises(OnlyPostgres):
                _create(session, name, now)
            return
        for bad in ("Metabase", "pg_reader", 'x"; DROP'):
            with pytest.raises(Invalid, match="name"):
                _create(session, bad, now)
        owner = db.url.username
        with pytest.raises(Conflict, match="no reader"):
            _create(session, owner, now)
        made = _create(session, name, now)
    assert made.is_new
    assert not {"people", "segments"} & set(made.views)
    reader = sa.create_engine(_as(db, name, made.password), poolclass=sa.NullPool)
    try:
        _sees_only_views(reader, made.views)
        with db.begin() as session:
            again = _create(session, name, now, with_people=True)
        assert (again.password, again.is_new) == (None, False)
        with reader.connect() as connection:
            assert len(connection.execute(sa.text("SELECT subject FROM people")).all()) == 3
    finally:
        reader.dispose()
        with db.begin() as session:
            session.execute(sa.text(f"DROP OWNED BY {name}"))
            session.execute(sa.text(f"DROP ROLE {name}"))


def _sees_only_views(reader, views):
    with reader.connect() as connection:
        for view in views:
            connection.execute(sa.text(f"SELECT * FROM {view}")).all()
    tables = [f"public.{name}" for name in metadata.tables]
    personal = ("reporting_v1.people", "reporting_v1.segments")
    refused = [f"SELECT 1 FROM {table}" for table in (*tables, *personal)]
    refused += [
        "INSERT INTO public.config_revision VALUES (2, 2)",
        "UPDATE reporting_v1.plans SET name = ''",
        "CREATE TABLE public.mine (x int)",
        "CREATE VIEW reporting_v1.mine AS SELECT 1",
        "SELECT public.shareauth_add_usage_month(203001)",
    ]
    for statement in refused:
        with reader.connect() as connection:
            connection.execute(sa.text("SET default_transaction_read_only = off"))
            connection.commit()
            with pytest.raises(sa.exc.DBAPIError, match=r"permission denied|cannot update"):
                connection.execute(sa.text(statement))


def _create(session, name, now, *, with_people=False):
    return readers.create(
        session, name, with_people=with_people, new_password=False, actor=ACTOR, now=now
    )


def _as(db, name, password):
    return db.url.set(username=name, password=password)
