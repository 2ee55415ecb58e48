"""Any report equals what a plain loop over all answers adds up."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from app.audit.journal import Actor
from app.funding import changes
from app.funding.changes import Change
from app.reports import store
from app.reports.explore import explore, totals
from app.reports.query import GROUPS, Filters, Query
from app.reports.times import LONGEST_MS
from app.sightings.models import RefusalCount
from app.unfinished.models import UnfinishedTurn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from books import make_link, make_users
from reports_builders import (
    COSTS,
    SEGMENTS,
    SHANGHAI,
    TOKENS,
    count,
    make_answers,
    make_around,
    spread,
    write,
)

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
ZONES = [
    SHANGHAI,
    NEW_YORK,
    BERLIN,
    ZoneInfo("Asia/Kathmandu"),  # 5:45 ahead
    ZoneInfo("Australia/Lord_Howe"),  # half an hour of daylight saving
    ZoneInfo("America/St_Johns"),  # 3:30 behind
    ZoneInfo("Asia/Beirut"),  # the clock is moved at midnight
    ZoneInfo("Africa/Casablanca"),  # an hour back for Ramadan
]
SWITCHES = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin
]
UNITS = [None, "hour", "day", "week", "month"]
QUARTER = timedelta(minutes=15)
LINE_GROUPS = {"model", "node_kind"}


_RNG = random.Random(7)
ANSWERS = make_answers(_RNG, spread(_RNG, SWITCHES, 8, 400), [1, 2, 3, 4, 5], [1, 2], has_more=True)
REFUSED = [
    (at.replace(minute=0, second=0) - n * timedelta(hours=7), n % 3, n + 1)
    for at in SWITCHES
    for n in range(9)
]
"""Quarter, link (0: none), how many."""
ASKED = [(at + n * timedelta(hours=5), 1 + n % 2, n % 3 == 0) for at in SWITCHES for n in range(9)]
"""When, link, whether the finish came late."""


@pytest.fixture
def counted(db, now):
    """Books with these answers and some refunds, counted by the clock of New York."""
    with db.begin() as session:
        make_users(session, now, 5)
        make_link(session, now, "one")
        make_link(session, now, "two")
        make_around(session, now)
        session.add_all(
            RefusalCount(quarter=at, link_id=link_id, hook="start", code="x", count=count)
            for at, link_id, count in REFUSED
        )
        session.add_all(
            UnfinishedTurn(
                ticket=str(number),
                user_id=1,
                link_id=link_id,
                is_guest=False,
                asked_at=at,
                expired_at=at,
                hold=1,
                points_hold=1,
                recorded_at=at,
                finished_late_at=at if is_late else None,
            )
            for number, (at, link_id, is_late) in enumerate(ASKED)
        )
    write(db, ANSWERS)
    for number, at in enumerate(SWITCHES):
        refund = Change(1 + number % 2, 10 + number, "CNY", "sorry", f"refund {number}")
        changes.refund(db, refund, actor=Actor("alice", "cli"), now=at)
        top_up = Change(1, 1000, "CNY", "paid", f"top-up {number}")
        changes.top_up(db, top_up, actor=Actor("alice", "cli"), now=at)
    count(db, now, zone=NEW_YORK, events_max=150)
    return db


def names(values, chosen):
    return st.none() | st.frozensets(st.sampled_from(values), max_size=chosen)


def rarely(strategy, otherwise=None):
    return st.integers(0, 3).flatmap(lambda n: strategy if n == 0 else st.just(otherwise))


filters = st.builds(
    Filters,
    users=names([1, 2, 3], 2),
    links=names([1, 2], 1),
    apps=names(["", "bot", "x" * 130], 2),
    models=names(["GPT-5", "Qwen", "", "unknown"], 2),
    node_kinds=names(["chatNode", "tools"], 1),
    issuers=rarely(names([1, 2], 1)),
    plans=rarely(names([0, 1, 2], 2)),
    attributes=rarely(
        st.frozensets(st.sampled_from(["", "Sales", "R&D 研发"]), max_size=2).map(
            lambda values: (("department", values),)
        ),
        (),
    ),
)


@st.composite
def queries(draw):
    quarter = draw(st.integers(0, 96 * 30 * 8))
    since = datetime(2026, 2, 20, tzinfo=UTC) + quarter * QUARTER
    unit = draw(st.sampled_from(UNITS))
    longest = 96 * (3 if unit == "hour" else 120)
    return Query(
        since=since,
        until=since + draw(st.integers(1, longest)) * QUARTER,
        zone=draw(st.sampled_from(ZONES)),
        per=unit,
        by=tuple(
            draw(
                st.lists(
                    st.sampled_from(
                        [*GROUPS, "attribute:department", "attribute:department", "plan", "issuer"]
                    ),
                    unique=True,
                    max_size=3,
                )
            )
        ),
        filters=draw(filters),
        sort=draw(st.sampled_from(["charge", "points", "questions", "input_tokens", "cost"])),
        limit=draw(st.sampled_from([1, 3, 1000])),
        with_visitors=draw(st.booleans()),
        with_times=draw(st.booleans()),
        seen_since=draw(st.sampled_from([None, datetime(2026, 1, 1, tzinfo=UTC)])),
        link_ids=draw(names([1, 2], 2)),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries())
def test_any_report_equals_a_plain_sum(counted, query):
    with counted.read() as session:
        report = explore(session, query)
    expected = naive(query, is_by_line=is_by_line(query, query.by))
    groups = {keys for _, keys in expected}
    shown = [row for row in report.rows if row.keys is not None]
    for row in shown:
        # A refund may stand where nobody asked.
        place = label(row.at, query), row.keys
        check(row.amounts, expected.get(place, NOTHING), query)
        expected.pop(place, None)
    assert not {keys for _, keys in expected} & {row.keys for row in shown}
    if query.by:
        assert len({row.keys for row in shown}) == min(query.limit, len(groups))
    check(report.total, whole(query), query)
    for name in ("points", "charge", *TOKENS):
        if query.by or query.per:
            added = sum(getattr(row.amounts, name) for row in report.rows)
            assert added == getattr(report.total, name)
    assert (report.total.refusals is None) == (not has_seen(query))
    whole_sums = (
        ("corrections", refunded),
        ("refusals", refused),
        ("unfinished", unfinished),
        ("cost", lambda _: report.total.cost),
        ("untimed", lambda _: report.total.untimed),
    )
    for name, expect in whole_sums:
        if getattr(report.total, name) is not None:
            assert getattr(report.total, name) == expect(query), name
            if query.by or query.per:
                added = sum(getattr(row.amounts, name) for row in report.rows)
                assert added == expect(query), name


NOTHING = (defaultdict(int), {}, set())


def check(amounts, expected, query):
    sums, ids, users = expected
    for name in ("points", "charge", "cost", "costed_points", *TOKENS):
        assert getattr(amounts, name) == sums[name], name
    if query.with_times and not query.dimensions() & LINE_GROUPS:
        took = sorted(ms for ms in ids.values() if ms is not None)
        assert amounts.untimed == len(ids) - len(took)
        for found, percent in ((amounts.median_ms, 50), (amounts.p95_ms, 95)):
            exact = took[-(-len(took) * percent // 100) - 1] if took else None
            assert is_close(found, exact)
    else:
        assert (amounts.median_ms, amounts.untimed) == (None, None)
    if amounts.questions is not None:
        assert amounts.questions == len(ids)
    else:
        assert len(query.filters.models or ()) > 1
    assert amounts.visitors == (len(users) if query.with_visitors else None)


def is_close(found, exact):
    if exact is None or found is None:
        return found is exact
    exact = min(exact, LONGEST_MS)
    return abs(found - exact) <= exact * 0.05


def naive(query, *, is_by_line):
    """By bucket and keys: the sums, the answers and the users."""
    found = defaultdict(lambda: (defaultdict(int), {}, set()))
    for id_, answer, line in wanted_lines(query, is_by_line=is_by_line):
        keys = tuple(key(group, answer, line) for group in query.by)
        sums, ids, users = found[label(answer.at, query), keys]
        ids[id_] = answer.took_ms
        users.add(answer.user_id)
        if line is not None:
            sums["points"] += line.points
            sums["charge"] += line.charge
            if (per_point := COSTS[answer.version_id]) is not None:
                cost = Decimal(line.points) * per_point
                sums["cost"] += int(cost.quantize(Decimal(1), ROUND_HALF_UP))
                sums["costed_points"] += line.points
            for name, tokens in zip(TOKENS, line.tokens, strict=True):
                sums[name] += tokens or 0
    return found


def whole(query):
    """The same of everything together."""
    found = naive(replace(query, by=(), per=None), is_by_line=is_by_line(query, ()))
    return found.get((None, ()), NOTHING)


def has_seen(query):
    return query.seen_since is not None and query.dimensions() <= {"link"}


def seen(query, at, link_id):
    filters = query.filters
    if not query.since <= at < query.until:
        return False
    return among(link_id, filters.links) and among(link_id, query.link_ids)


def refused(query):
    return sum(count for at, link_id, count in REFUSED if seen(query, at, link_id))


def unfinished(query):
    return sum(1 for at, link_id, is_late in ASKED if seen(query, at, link_id) and not is_late)


def refunded(query):
    """What the refunds took from the charges; they are of no link."""
    if query.filters.links is not None or query.link_ids is not None:
        return 0
    return -sum(
        10 + number
        for number, at in enumerate(SWITCHES)
        if query.since <= at < query.until
        and among(1 + number % 2, query.filters.users)
        and among(1, query.filters.issuers)
    )


def is_by_line(query, by):
    chosen = query.filters
    return LINE_GROUPS & set(by) or chosen.models is not None or chosen.node_kinds is not None


def wanted_lines(query, *, is_by_line):
    chosen = query.filters
    for id_, answer in enumerate(ANSWERS):
        if not query.since <= answer.at < query.until:
            continue
        if not among(answer.user_id, chosen.users) or not among(answer.link_id, chosen.links):
            continue
        if not among(answer.link_id, query.link_ids):
            continue
        if chosen.apps is not None and (answer.app or "") not in chosen.apps:
            continue
        if not among(issuer_of(answer), chosen.issuers):
            continue
        if not among(answer.plan_id or 0, chosen.plans):
            continue
        if not all(among(SEGMENTS[answer.segment_id], values) for _, values in chosen.attributes):
            continue
        lines = [
            line
            for line in answer.lines
            if among(line.model, chosen.models) and among(line.node_kind, chosen.node_kinds)
        ]
        yield from ((id_, answer, line) for line in lines)
        if not lines and not is_by_line:
            yield id_, answer, None


def among(value, chosen):
    return chosen is None or value in chosen


def key(group, answer, line):
    known = {
        "user": answer.user_id,
        "link": answer.link_id,
        "app": (answer.app or "")[:120],
        "plan": answer.plan_id or 0,
        "issuer": issuer_of(answer),
        "attribute:department": SEGMENTS[answer.segment_id],
    }
    if group in known:
        return known[group]
    return line.model if group == "model" else line.node_kind


def issuer_of(answer):
    return 2 if answer.user_id == 5 else 1


def label(at, query):
    """The bucket as a person would name it: by the clock on the wall."""
    if at is None or query.per is None:
        return None
    local = at.astimezone(query.zone)
    match query.per:
        case "hour":
            return f"{local:%Y-%m-%d %H}", local.utcoffset()
        case "day":
            return local.date()
        case "week":
            return local.isocalendar()[:2]
    return local.year, local.month


def test_reports_beside_each_other_are_those_alone(counted):
    """Totals of several periods come in one go, and what reports share is asked once."""
    month = Query(
        since=SWITCHES[2] - timedelta(days=20),
        until=SWITCHES[2] + timedelta(days=10),
        zone=NEW_YORK,
        limit=2,
        with_visitors=True,
    )
    rng = random.Random(5)
    times = [at + n * QUARTER for at in SWITCHES for n in (-100, -3, 0, 1, 77)]
    periods = [tuple(sorted(rng.sample(times, 2))) for _ in range(9)]
    month_by = [
        replace(month, by=by, per=per, with_visitors=False)
        for by in (("link",), ("model",), ("user",))
        for per in (None, "day")
    ]
    asked = []
    sa.event.listen(counted.engine, "before_cursor_execute", lambda *_: asked.append(1))
    with counted.read() as session:
        position = store.position(session)
        together = totals(session, month, [*periods, periods[0]], position=position)
        alone = [
            explore(session, replace(month, since=since, until=until), position=position).total
            for since, until in periods
        ]
        assert together == [*alone, alone[0]]
        nothing = totals(session, month, [(times[0], times[0])], position=position)
        assert (nothing[0].questions, nothing[0].visitors, nothing[0].corrections) == (0, 0, 0)
        asked.clear()
        expected = [explore(session, query, position=position) for query in month_by]
        separately = len(asked)
        asked.clear()
        once = {}
        assert [
            explore(session, query, position=position, once=once) for query in month_by
        ] == expected
        assert len(asked) < 0.75 * separately
