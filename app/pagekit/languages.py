"""What people read on pages, in their language: gettext catalogues beside this module.

English is the text in the code. Each area of the pages has a file of its own,
``locale/zh/<area>.po``; they are read when the process starts, so nothing has to be compiled.
"""

import functools
import gettext as standard
import io
from pathlib import Path
from typing import cast

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import LazyProxy
from flask import Flask, g, request

from app.config import Locale
from app.i18n import LOCALES

DIRECTORY = Path(__file__).parent / "locale"
NAMES: dict[Locale, str] = {"zh": "中文", "en": "English"}


@functools.cache
def translations(locale: Locale) -> standard.NullTranslations:
    """Every catalogue of the language as one."""
    if locale == "en":
        return standard.NullTranslations()
    merged = Catalog(locale=locale)
    for path in sorted((DIRECTORY / locale).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=locale):
                if message.id and message.string:
                    merged.add(message.id, message.string, context=message.context)
    compiled = io.BytesIO()
    write_mo(compiled, merged)
    compiled.seek(0)
    return standard.GNUTranslations(compiled)


def current() -> Locale:
    """The language of the page that is being made; whoever knows better has set ``g.locale``."""
    chosen = g.get("locale")
    return cast("Locale", chosen) if chosen in LOCALES else "en"


def accepted(default: Locale) -> Locale:
    """The language the browser asks for."""
    best = request.accept_languages.best_match(["zh", "zh-CN", "en"])
    return default if best is None else cast("Locale", best[:2])


def gettext(message: str, **values: object) -> str:
    """The sentence in the language of the page, with ``%(name)s`` filled in."""
    text = translations(current()).gettext(message)
    return text % values if values else text


def ngettext(singular: str, plural: str, number: int, **values: object) -> str:
    text = translations(current()).ngettext(singular, plural, number)
    return text % {"num": number, **values}


def lazy_gettext(message: str) -> str:
    """For texts in modules and forms: translated each time they are shown."""
    return cast("str", LazyProxy(gettext, message, enable_cache=False))


def install(app: Flask) -> None:
    """``{% trans %}`` and ``_()`` in every template."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda message: translations(current()).gettext(message),
        lambda one, many, number: translations(current()).ngettext(one, many, number),
        newstyle=True,
    )
