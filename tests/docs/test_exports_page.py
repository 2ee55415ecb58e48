"""docs/exports.md says every table, column and format that there is."""

from pathlib import Path

from app.exports.catalogue import TABLES
from app.exports.formats import focus
from app.exports.formats.registry import FORMATS

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


def test_every_format_is_told():
    told = [f"| `{form.name}` | `.{form.suffix}` | {form.about} |" for form in FORMATS.values()]
    assert rows("## Formats") == told
    assert rows("### FOCUS 1.2") == [f"| `{one.name}` | {one.about} |" for one in focus.COLUMNS]
