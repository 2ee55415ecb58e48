"""A statement as PDF. Chinese is set in a font that every reader brings along.

Imported where one is drawn: reportlab takes a while to load. The same statement gives the same
bytes each time.
"""

import io
from collections.abc import Iterator
from html import escape
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid

from app.closings.papers.paper import Paper, Table

LATIN, LATIN_BOLD, CHINESE = "Helvetica", "Helvetica-Bold", "STSong-Light"
MARGIN = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
ROWS_MAX = 500
"""Of one grid: laying out a longer one takes more than its share of time."""
NUMBER_WIDTH = 34 * mm
NARROW_WIDTH = 25 * mm
"""Where there are more than three columns of numbers."""
BASIC_PLANE = 0xFFFF

pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))


def draw(paper: Paper, *, is_compressed: bool = True) -> bytes:
    """The file's bytes. Letters beyond the font's plane are shown as a box."""
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=18 * mm,
        bottomMargin=20 * mm,
        title=_plain(paper.title),
        author=_plain(paper.issuer.company),
        invariant=1,
        pageCompression=int(is_compressed),
    )

    def foot(canvas: Any, template: Any) -> None:  # noqa: ANN401 - reportlab's
        canvas.saveState()
        canvas.setFillColor(colors.HexColor("#555555"))
        canvas.setFont(_font(paper.page_label), 8)
        canvas.drawRightString(A4[0] - MARGIN, 10 * mm, f"{paper.page_label} {template.page}")
        canvas.setFont(LATIN, 6)
        canvas.drawString(MARGIN, 10 * mm, paper.hash)
        canvas.restoreState()

    document.build(list(_story(paper)), onFirstPage=foot, onLaterPages=foot)
    return buffer.getvalue()


def _story(paper: Paper) -> Iterator[Any]:
    for line in _issuer(paper):
        yield _text(line, 9, align="right")
    yield _text(paper.title, 16, is_bold=True)
    yield Spacer(1, 3 * mm)
    facts = [[_text(label, 9), _text(value, 9)] for label, value in paper.facts]
    yield Grid(
        facts, colWidths=[40 * mm, WIDTH - 40 * mm], style=[("VALIGN", (0, 0), (-1, -1), "TOP")]
    )
    for table in paper.tables:
        yield Spacer(1, 4 * mm)
        yield _text(table.title, 11, is_bold=True, keeps_next=True)
        yield Spacer(1, 1 * mm)
        yield from _grids(table)
        if table.note:
            yield _text(table.note, 9)
    if paper.issuer.note:
        yield Spacer(1, 6 * mm)
        for line in paper.issuer.note.splitlines():
            yield _text(line, 9)


def _issuer(paper: Paper) -> Iterator[str]:
    issuer = paper.issuer
    if issuer.company:
        yield issuer.company
    yield from issuer.address.splitlines()
    if issuer.tax_id:
        yield f"{paper.tax_label} {issuer.tax_id}"


def _grids(table: Table) -> Iterator[Any]:
    head = [_cell(table, place, text, is_bold=True) for place, text in enumerate(table.columns)]
    rows = [*table.rows, *([table.total] if table.total else [])]
    for begin in range(0, len(rows), ROWS_MAX):
        some = rows[begin : begin + ROWS_MAX]
        is_last = begin + ROWS_MAX >= len(rows) and table.total is not None
        body = [
            [
                _cell(table, place, text, is_bold=row is table.total and place not in table.numbers)
                for place, text in enumerate(row)
            ]
            for row in some
        ]
        yield Grid(
            [head, *body],
            colWidths=_widths(table),
            repeatRows=1,
            style=_style(table, is_last=is_last),
        )


def _widths(table: Table) -> list[float]:
    width = NUMBER_WIDTH if len(table.numbers) <= 3 else NARROW_WIDTH  # noqa: PLR2004 - as many fit
    rest = WIDTH - width * len(table.numbers)
    texts = len(table.columns) - len(table.numbers)
    return [
        width if place in table.numbers else rest / texts for place in range(len(table.columns))
    ]


def _style(table: Table, *, is_last: bool) -> list[Any]:
    lines: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.HexColor("#555555")),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, colors.HexColor("#dddddd")),
        ("FONT", (0, 1), (-1, -1), LATIN, 8.5),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    lines += [("ALIGN", (place, 1), (place, -1), "RIGHT") for place in table.numbers]
    if is_last:
        lines += [("FONTNAME", (place, -1), (place, -1), LATIN_BOLD) for place in table.numbers]
        lines.append(("LINEBELOW", (0, -1), (-1, -1), 1, colors.HexColor("#555555")))
    return lines


def _cell(table: Table, place: int, text: str, *, is_bold: bool) -> Any:  # noqa: ANN401 - reportlab's
    """Numbers as they are: they must stay on their line."""
    if place in table.numbers and not is_bold and not _is_chinese(text):
        return text
    return _text(text, 9, align="right" if place in table.numbers else "left", is_bold=is_bold)


def _text(
    text: str,
    size: int,
    *,
    align: str = "left",
    is_bold: bool = False,
    keeps_next: bool = False,
) -> Paragraph:
    plain = _plain(text)
    style = ParagraphStyle(
        "statement",
        fontName=_font(plain, is_bold=is_bold),
        fontSize=size,
        leading=size * 1.35,
        alignment={"left": 0, "right": 2}[align],
        wordWrap="CJK" if _is_chinese(plain) else None,
        splitLongWords=1,
        keepWithNext=int(keeps_next),
    )
    return Paragraph(escape(plain), style)


def _font(text: str, *, is_bold: bool = False) -> str:
    if _is_chinese(text):
        return CHINESE
    return LATIN_BOLD if is_bold else LATIN


def _is_chinese(text: str) -> bool:
    """Whether the Latin font, which has the letters of WinAnsi, cannot set it."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return True
    return False


def _plain(text: str) -> str:
    """Without what no font sets: control characters, halves of pairs, other planes."""
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter in "\t\r\n":
        return " "
    code = ord(letter)
    if code < ord(" ") or 0x7F <= code < 0xA0:  # noqa: PLR2004 - the controls of Unicode
        return ""
    return "□" if code > BASIC_PLANE or 0xD800 <= code <= 0xDFFF else letter  # noqa: PLR2004
