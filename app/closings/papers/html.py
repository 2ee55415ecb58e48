"""A statement as one HTML file that prints well: A4, light, nothing from elsewhere. Pure."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from app.closings.papers.paper import Paper, Table

LANGUAGES = {"zh": "zh-CN", "en": "en"}
STYLE = """
@page { size: A4; margin: 18mm 16mm; }
* { box-sizing: border-box; }
:root { color-scheme: light; }
body { margin: 0 auto; padding: 24px; max-width: 178mm; background: #fff; color: #1a1a1a;
  font: 14px/1.45 "Helvetica Neue", Arial, "Noto Sans SC", "PingFang SC", "Microsoft YaHei",
  sans-serif; }
header { display: flex; justify-content: space-between; gap: 24px; margin-bottom: 20px; }
.issuer { white-space: pre-line; text-align: right; color: #444; }
.issuer strong { color: #1a1a1a; }
h1 { font-size: 22px; margin: 0; }
h2 { font-size: 15px; margin: 22px 0 6px; break-after: avoid; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 16px; margin: 0; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { padding: 4px 8px; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
th { border-bottom: 1px solid #555; }
td { overflow-wrap: anywhere; }
.num { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.total td { font-weight: 600; border-bottom: 2px solid #555; }
.note { color: #444; white-space: pre-line; margin-top: 18px; }
footer { margin-top: 24px; color: #555; font-size: 11px; overflow-wrap: anywhere; }
@media print { body { padding: 0; max-width: none; font-size: 10.5pt; } }
@media (max-width: 600px) { header { flex-direction: column; } .issuer { text-align: left; } }
"""
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
"""What a content security policy must allow to show it."""


def draw(paper: Paper) -> bytes:
    """The whole file, in UTF-8; every text in it is escaped."""
    return "\n".join(_pieces(paper)).encode("utf-8", "replace")


def _pieces(paper: Paper) -> Iterator[str]:
    yield f'<!DOCTYPE html>\n<html lang="{LANGUAGES[paper.locale]}">\n<head>'
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(paper.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f"<header><h1>{escape(paper.title)}</h1>{_issuer(paper)}</header>\n<main>\n<dl>"
    for label, value in paper.facts:
        yield f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"
    for table in paper.tables:
        yield from _table(table)
    if paper.issuer.note:
        yield f'<p class="note">{escape(paper.issuer.note)}</p>'
    yield f"</main>\n<footer>{escape(paper.hash_label)}: {paper.hash}</footer>\n</body>\n</html>\n"


def _issuer(paper: Paper) -> str:
    issuer = paper.issuer
    lines = [f"<strong>{escape(issuer.company)}</strong>"] if issuer.company else []
    lines += [escape(issuer.address)] if issuer.address else []
    lines += [f"{escape(paper.tax_label)} {escape(issuer.tax_id)}"] if issuer.tax_id else []
    return f'<div class="issuer">{"<br>".join(lines)}</div>' if lines else ""


def _table(table: Table) -> Iterator[str]:
    yield f'<h2>{escape(table.title)}</h2>\n<div class="scroll" tabindex="0"><table>\n<thead><tr>'
    for place, column in enumerate(table.columns):
        yield f'<th scope="col"{_class(table, place)}>{escape(column)}</th>'
    yield "</tr></thead>\n<tbody>"
    for row in table.rows:
        yield f"<tr>{_cells(table, row)}</tr>"
    if table.total is not None:
        yield f'<tr class="total">{_cells(table, table.total)}</tr>'
    yield "</tbody>\n</table></div>"
    if table.note:
        yield f"<p>{escape(table.note)}</p>"


def _cells(table: Table, row: tuple[str, ...]) -> str:
    return "".join(f"<td{_class(table, i)}>{escape(text)}</td>" for i, text in enumerate(row))


def _class(table: Table, place: int) -> str:
    return ' class="num"' if place in table.numbers else ""
