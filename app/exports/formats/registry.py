"""Which formats there are."""

from collections.abc import Mapping

from app.errors import Invalid, NotFound
from app.exports.catalogue import Table
from app.exports.formats import cloudevents, csv_file, focus, json_lines, parquet, xlsx
from app.exports.formats.port import Format


class FormatNotFound(NotFound):
    """There is no such format."""

    code = "export_format_not_found"


class FormatUnfit(Invalid):
    """The format cannot say what the table has."""

    code = "export_format_unfit"


FORMATS: Mapping[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (csv_file, xlsx, json_lines, parquet, focus, cloudevents)
}
"""By name."""


def get(name: str) -> Format:
    """Raises: FormatNotFound."""
    if name not in FORMATS:
        raise FormatNotFound(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def check(table: Table, form: Format, *, gzip: bool, bom: bool) -> None:
    """Raises: FormatUnfit, when the format cannot write the table like that."""
    if form.tables is not None and table.name not in form.tables:
        takes = ", ".join(sorted(form.tables))
        raise FormatUnfit(f"{form.name} has no words for {table.name}; it has for {takes}")
    if gzip and not form.goes_on:
        raise FormatUnfit(f"{form.name} is compressed already")
    if bom and not form.suffix.endswith("csv"):
        raise FormatUnfit(f"{form.name} takes no byte order mark: that is for CSV")
