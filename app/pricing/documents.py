"""A price book as the text a person writes, TOML or JSON, and what is wrong with it, by line."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from app.errors import Invalid
from app.pricing.book import PriceBook

TEXT_CHARS_MAX = 500_000
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_TOML_RULE = re.compile(r"^[ \t]*\[\[[ \t]*models[ \t]*\]\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BookProblem:
    """One thing that is wrong. ``line`` counts from 1; None when it is of the whole text.

    ``place`` is the name of the value, with dots, such as ``models.2.input_per_1k``. ``kind`` is
    pydantic's word for what is wrong, with the ``bound`` that was passed if there is one, or
    ``syntax`` or ``too_long``; empty where only the message says it.
    """

    line: int | None
    place: str
    message: str
    kind: str = ""
    bound: str = ""


class BookTextInvalid(Invalid):
    """The text is no price book."""

    code = "price_book_invalid"

    def __init__(self, problems: list[BookProblem]) -> None:
        super().__init__("; ".join(_sentence(one) for one in problems)[:2000])
        self.problems = problems


_BOUNDS = ("ge", "gt", "le", "lt", "decimal_places", "max_length", "min_length", "expected")


def parse(text: str, *, currency: str) -> PriceBook:
    """The book in the text: JSON when it begins with a brace, TOML otherwise.

    ``currency`` is taken when the text names none.

    Raises:
        BookTextInvalid: lists everything that is wrong, each with its line.
    """
    if len(text) > TEXT_CHARS_MAX:
        message = f"it has more than {TEXT_CHARS_MAX} characters"
        raise BookTextInvalid([BookProblem(None, "", message, "too_long", str(TEXT_CHARS_MAX))])
    document = _read(text)
    try:
        return PriceBook.model_validate({"currency": currency, **document})
    except ValidationError as error:
        problems = [_problem(text, entry) for entry in error.errors(include_url=False)]
        raise BookTextInvalid(problems) from None


def write(book: PriceBook) -> str:
    """The book as TOML that ``parse`` reads back to an equal book."""
    document = book.document()
    document.pop("models")
    lines = [f"{name} = {_quoted(value)}" for name, value in document.items()]
    for rule in book.models:
        lines += ["", "[[models]]"]
        lines += [
            f"{name} = {_quoted(value)}" for name, value in rule.model_dump(mode="json").items()
        ]
    return "\n".join(lines) + "\n"


def _read(text: str) -> dict[str, Any]:
    try:
        if text.lstrip().startswith("{"):
            document = json.loads(text, parse_float=Decimal)
        else:
            document = tomllib.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise BookTextInvalid([BookProblem(error.lineno, "", error.msg, "syntax")]) from None
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = _TOML_LINE.search(said)
        line = int(found[1]) if found else text.count("\n") + 1  # at the end of the document
        told = _TOML_LINE.sub("", said).strip()
        raise BookTextInvalid([BookProblem(line, "", told, "syntax")]) from None
    except (RecursionError, ValueError):
        raise BookTextInvalid([BookProblem(None, "", "it cannot be read")]) from None
    if not isinstance(document, dict):
        message = "a table of names and values is needed"
        raise BookTextInvalid([BookProblem(1, "", message)])
    return document


def _problem(text: str, entry: Mapping[str, Any]) -> BookProblem:
    path = tuple(entry["loc"])
    message = str(entry["msg"]).removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        message = "not known here"
    given = entry.get("ctx", {})
    bound = next((str(given[name]) for name in _BOUNDS if name in given), "")
    place = ".".join(str(part) for part in path)
    return BookProblem(_line_of(text, path), place, message, str(entry["type"]), bound)


def _line_of(text: str, path: tuple[Any, ...]) -> int | None:
    """Where a value stands in the text; of one that is missing, where it should be."""
    begin, end = 0, len(text)
    if path[:1] == ("models",) and len(path) > 1:
        begins = _rules(text)
        place = int(path[1])
        if place >= len(begins):
            return None
        begin = begins[place]
        end = begins[place + 1] if place + 1 < len(begins) else end
    key = path[2] if len(path) > 2 else path[0] if len(path) == 1 else None  # noqa: PLR2004 - models, place, name
    at = begin
    if key is not None:
        found = re.compile(rf"(?<![\w-])[\"']?{re.escape(str(key))}[\"']?\s*[:=]").search(
            text, begin, end
        )
        if found is None and len(path) == 1:
            return None
        at = found.start() if found else begin
    return text.count("\n", 0, at) + 1


def _rules(text: str) -> list[int]:
    """Where each rule of ``models`` begins."""
    begins = [found.start() for found in _TOML_RULE.finditer(text)]
    if begins:
        return begins
    models = re.search(r"models[\"']?\s*[:=]", text)
    if models is None:
        return []
    return [found.start() for found in re.compile(r"\{").finditer(text, models.end())]


def _sentence(problem: BookProblem) -> str:
    line = f"line {problem.line}: " if problem.line else ""
    place = f"{problem.place}: " if problem.place else ""
    return f"{line}{place}{problem.message}"


def _quoted(value: object) -> str:
    """A basic string of TOML, which escapes as JSON does, and DEL as well."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
