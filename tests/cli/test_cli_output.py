"""How values read, and how what people type becomes values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import click
import pytest
from app.cli.inputs import (
    Amount,
    ClockTime,
    Duration,
    Limit,
    Message,
    Number,
    When,
    by_clock,
    changed_limits,
    changed_messages,
    given,
)
from app.cli.output import amount, card, cell, iso, local, printable, show, table
from app.limits import VisitorLimits
from hypothesis import given as for_all
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 中文", "plain 中文"),
        ("two\nlines", "two\nlines"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("\r\t", "\\r\\t"),
    ],
)
def test_what_cannot_be_printed_is_spelled_out(text, shown):
    assert printable(text) == shown


@for_all(st.text(alphabet=st.characters()))
def test_nothing_printed_can_drive_a_terminal(text):
    assert all(char.isprintable() or char == "\n" for char in printable(text))


def test_markup_in_a_cell_stays_text(capsys):
    show([table(["name"], [["[red]x[/red]"]], empty="-")])

    assert "[red]x[/red]" in capsys.readouterr().out


def test_piped_tables_keep_each_row_on_its_line(capsys):
    show([table(["name", "number>"], [["x" * 300, 5], ["y", 12345]], empty="-")])
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 3
    assert lines[1].startswith("x" * 300)
    assert lines[2].rstrip().endswith("12345")


def test_empty_table_says_so_instead(capsys):
    show([table(["name"], [], empty="There is none.")])

    assert capsys.readouterr().out == "There is none.\n"


def test_card_leaves_out_what_is_empty(capsys):
    show([card({"a": 1, "b": None, "c": "", "d": {}, "e": False, "f": 0})])

    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["a", "e", "f"]


def test_values_read_like_words():
    assert cell(None).plain == "-"
    assert cell(True).plain == "yes"
    assert cell({"burst": 5, "x": None}).plain == "burst 5, x -"
    assert cell(["a", "b"]).plain == "a, b"
    assert amount(None) is None
    assert amount(1_500_000_000) == "1.5"


def test_times_are_utc_for_programs_and_local_for_people():
    at = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)

    assert iso(at) == "2026-11-23T04:00:00Z"
    assert local(at, ZoneInfo("Asia/Shanghai")) == "2026-11-23 12:00:00"
    assert iso(None) is local(None, ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Amount(), "12.50", 12_500_000_000),
        (Amount(), "-0.000000001", -1),
        (Number(), "1.5", Decimal("1.5")),
        (Duration(), "90s", timedelta(seconds=90)),
        (Duration(), "1d12h", timedelta(days=1, hours=12)),
        (Duration(), "2W", timedelta(weeks=2)),
        (When(), "2026-12-01T08:00:00+08:00", datetime(2026, 12, 1, tzinfo=UTC)),
        (Limit(VisitorLimits), "burst=5", ("burst", "5")),
        (Limit(VisitorLimits), "points-per-day=unlimited", ("points_per_day", "-1")),
        (Limit(VisitorLimits), "points_per_day=inherit", ("points_per_day", None)),
        (Message(), "visitor_rate:zh=慢=点", ("visitor_rate", "zh", "慢=点")),
    ],
)
def test_typed_values_are_read(kind, text, value):
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Amount(), "1,5"),
        (Amount(), "NaN"),
        (Number(), "-1"),
        (Number(), "Infinity"),
        (Number(), "one"),
        (Duration(), "5"),
        (Duration(), "5 parsecs"),
        (Duration(), "h"),
        (Duration(), "9" * 30 + "w"),
        (When(), "2026-12-01"),
        (When(), "now"),
        (Limit(VisitorLimits), "burst"),
        (Limit(VisitorLimits), "burst="),
        (Limit(VisitorLimits), "speed=5"),
        (Message(), "visitor_rate=x"),
        (Message(), ":zh=x"),
    ],
)
def test_typing_mistakes_are_usage_errors(kind, text):
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_changes_are_laid_over_what_is_stated():
    assert changed_limits({"a": 1, "b": 2}, [("b", None), ("c", "3")]) == {"a": 1, "c": "3"}
    stated = {"x": {"zh": "一", "en": "one"}, "y": {"en": "two"}}
    changes = [("x", "zh", ""), ("y", "en", ""), ("z", "en", "three")]
    assert changed_messages(stated, changes) == {"x": {"en": "one"}, "z": {"en": "three"}}
    assert stated["x"] == {"zh": "一", "en": "one"}
    assert given(a=None, b="", c=0) == {"b": None, "c": 0}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01", datetime(2026, 11, 30, 16, tzinfo=UTC)),
        ("2026-12-01T08:30", datetime(2026, 12, 1, 0, 30, tzinfo=UTC)),
        ("2026-12-01T08:30:00+01:00", datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
        ("2026-12-01T08:30:00Z", datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_time_without_an_offset_is_one_of_the_operators_clock(text, moment):
    typed = ClockTime().convert(text, None, None)
    assert by_clock(typed, ZoneInfo("Asia/Shanghai")) == moment
