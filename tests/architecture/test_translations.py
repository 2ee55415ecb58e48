"""Every text of the pages is there in Chinese, and no text escapes the catalogues."""

import re
import string
from pathlib import Path

import pytest
from app.config import Settings
from app.pagekit.languages import DIRECTORY
from app.provenance import explain
from babel.messages.extract import extract
from babel.messages.pofile import read_po

APP = Path(__file__).parents[2] / "app"
TEMPLATES = sorted(APP.rglob("templates/**/*.html"))
MODULES = sorted(
    path for path in APP.rglob("*.py") if "pagekit.languages import" in path.read_text("utf-8")
)
CATALOGUES = sorted((DIRECTORY / "zh").glob("*.po"))
ADVICE = APP / "sightings" / "diagnosis.py"
"""Its findings are told by the pages, in the texts that stand there."""
ADVICE_KEYWORDS = ({"Advice": (2,)}, {"Advice": (3,)})
PYTHON_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
SPOKEN_EVERYWHERE = {"shareauth", "FastGPT", "API", "URL", "JSON", "CSV", "ID"}
"""Words that are the same in both languages and may stand in a template as they are."""


def used_texts():
    """``{text: where}`` of all that is passed to gettext."""
    texts = {}
    for path in TEMPLATES:
        with path.open("rb") as file:
            found = extract("jinja2.ext:babel_extract", file, options={"newstyle_gettext": "true"})
            for line, message, *_ in found:
                for text in [message] if isinstance(message, str) else [message[0]]:
                    texts.setdefault(text, f"{path.name}:{line}")
    for path in MODULES:
        with path.open("rb") as file:
            for line, message, *_ in extract("python", file, keywords=PYTHON_KEYWORDS):
                text = message if isinstance(message, str) else message[0]
                texts.setdefault(text, f"{path.name}:{line}")
    for keywords in ADVICE_KEYWORDS:
        with ADVICE.open("rb") as file:
            for line, message, *_ in extract("python", file, keywords=keywords):
                texts.setdefault(message, f"{ADVICE.name}:{line}")
    return texts


def catalogue():
    """``{text: translation}`` of every catalogue, and the texts that are translated in two ways."""
    texts, torn = {}, set()
    for path in CATALOGUES:
        with path.open("rb") as file:
            for message in read_po(file, locale="zh"):
                if not message.id:
                    continue
                text = message.id if isinstance(message.id, str) else message.id[0]
                translation = message.string
                translation = translation if isinstance(translation, str) else translation[0]
                if texts.setdefault(text, translation) != translation:
                    torn.add(text)
    return texts, torn


def setting_meanings():
    """What the settings page says of each; it says it in English where there is no translation."""
    return {one.meaning for one in explain(Settings()) if one.meaning}


def placeholders(text):
    return sorted(re.findall(r"%\((\w+)\)s|\{(\w+)\}", text))


def test_every_text_is_translated():
    translated, _ = catalogue()
    missing = {text: place for text, place in used_texts().items() if not translated.get(text)}
    assert not missing, "\n".join(f"{place}: {text!r}" for text, place in missing.items())


def test_no_translation_is_left_over_or_torn():
    translated, torn = catalogue()
    used = {*used_texts(), *setting_meanings()}
    assert sorted(text for text in translated if text not in used) == []
    assert sorted(torn) == []


def test_translations_fill_in_the_same_values():
    translated, _ = catalogue()
    wrong = [
        text
        for text, translation in translated.items()
        if placeholders(text) != placeholders(translation)
    ]
    assert wrong == []


def bare_words(template):
    """Words that stand in a template as they are, and in attributes that people read."""
    source = re.sub(r"(?s)\{#.*?#\}", " ", template.read_text("utf-8"))
    source = re.sub(r"(?s)\{% trans .*?endtrans %\}|\{% trans %\}.*?endtrans %\}", " ", source)
    source = re.sub(r"(?s)\{%.*?%\}|\{\{.*?\}\}", "\0", source)
    source = re.sub(r"(?s)<(script|style|code|pre)\b.*?</\1>", " ", source)
    read = " ".join(re.findall(r'\b(?:alt|title|aria-label|placeholder)="([^"\0]*)"', source))
    text = re.sub(r"(?s)<[^>]*>", " ", source)
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", " ", f"{text} {read}"))
    return [word for word in words if word not in SPOKEN_EVERYWHERE]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_templates_have_no_text_of_their_own(template):
    assert bare_words(template) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_pages_have_a_title(template):
    source = template.read_text("utf-8")
    is_page = re.search(r"\{% extends '(console|door|portal)\.html' %\}", source)
    assert not is_page or "{% block title %}" in source


def test_catalogues_can_be_told_apart():
    assert CATALOGUES
    for path in CATALOGUES:
        assert set(path.stem) <= {*string.ascii_lowercase, "_"}, path
