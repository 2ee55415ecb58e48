"""The documentation as data: its pages, their headings, links and blocks of code."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = [
    "README.md",
    "docs/fastgpt-setup.md",
    "docs/sign-tokens.md",
    "docs/limits.md",
    "docs/how-it-counts.md",
    "docs/visitor-page.md",
    "docs/alerts.md",
    "docs/privacy.md",
]
_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def chinese(page: str) -> str:
    return page.replace(".md", ".zh-CN.md")


PAGES = ENGLISH + [chinese(page) for page in ENGLISH]


@dataclass(frozen=True)
class Block:
    """``sh`` is run by the tests as it stands; ``bash`` is to be adapted by the reader."""

    language: str
    text: str
    is_output: bool = False
    """Nothing stands between it and the block before: it is what that one prints."""

    @property
    def commands(self) -> str:
        """Without comments, which differ between languages."""
        return re.sub(r"\s+#.*$", "", self.text, flags=re.MULTILINE)


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str) -> list[Block]:
    text, found, end = read(page), [], 0
    for match in _FENCE.finditer(text):
        _, language, inside = match.groups()
        is_near = bool(found) and not text[end : match.start()].strip()
        is_output = is_near and language in ("text", "json")
        found.append(Block(language, textwrap.dedent(inside), is_output))
        end = match.end()
    return found


def prose(page: str) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", read(page))


def spans(page: str) -> list[str]:
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def headings(page: str) -> list[tuple[int, str]]:
    """Level and text of each."""
    found = re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)
    return [(len(marks), text) for marks, text in found]


def anchors(page: str) -> set[str]:
    """As the usual hosts of Markdown make them from headings."""
    kept = (re.sub(r"[^\w\- ]", "", text.lower()) for _, text in headings(page))
    return {text.replace(" ", "-") for text in kept}


def links(page: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def table(page: str, *, first: str) -> list[list[str]]:
    """The rows of the one table whose first row begins with a cell that starts like this."""
    found = [rows for rows in _tables(page) if rows[0][0].startswith(first)]
    assert len(found) == 1, f"{page} has {len(found)} tables that begin with {first!r}"
    return found[0]


def _tables(page: str) -> list[list[list[str]]]:
    """Each table's rows without its head; cells without backticks."""
    tables = re.findall(r"^\|[-|]+\|\n((?:\|.*\n)+)", prose(page), re.MULTILINE)
    return [
        [
            [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
            for line in text.splitlines()
        ]
        for text in tables
    ]
