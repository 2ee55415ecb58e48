"""docs/exports.md says every table, column and format that there is."""

from pathlib import Path
from re import findall

from app.admin import usage_words
from app.exports.catalogue import TABLES
from app.exports.formats import focus
from app.exports.formats.registry import FORMATS
from app.reports.query import GROUPS

PAGE = (Path(__file__).parents[2] / "docs" / "exports.md").read_text("utf-8")


def rows(heading):
    """The lines of the page's table below a heading."""
    _, _, rest = PAGE.partition(f"\n{heading}\n")
    section = rest.split("\n#", 1)[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_every_column_of_every_table_is_told():
    for table in TABLES.values():
        told = [
            f"| `{column.name}` | {column.kind}{', summed' if column.is_summed else ''} "
            f"| {column.about} |"
            for column in table.columns
        ]
        assert rows(f"### {table.name}") == told
        assert f"{table.about} Needs `{table.permission}`." in PAGE
        if table.event is not None:
            assert f"| {table.name} | `{table.event.type}` |" in PAGE


def test_every_column_of_the_files_of_reports_is_told():
    told = [name for row in rows("## Files of reports") for name in findall(r"`([^`]+)`", row)]
    groups = [name for row in rows("## Files of reports")[1:3] for name in findall(r"`(\w+)`", row)]
    assert [name for name in groups if name != "user_name"] == list(GROUPS)
    assert set(usage_words.COLUMNS) <= set(told)
    beside = {"at", "user_name", "is_others", "attribute:<name>", "net"}
    assert set(told) == {*beside, *GROUPS, *usage_words.COLUMNS}


def test_every_format_is_told():
    told = [f"| `{form.name}` | `.{form.suffix}` | {form.about} |" for form in FORMATS.values()]
    assert rows("## Formats") == told
    assert rows("### FOCUS 1.2") == [f"| `{one.name}` | {one.about} |" for one in focus.COLUMNS]
