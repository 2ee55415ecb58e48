"""Filters of the templates: numbers, money and times in the way of the page's language."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import dates, numbers
from flask import Flask, g

from app.moments import good_until
from app.money import NANO
from app.pagekit import languages
from app.pagekit.languages import gettext as _

BABEL = {"zh": "zh_Hans_CN", "en": "en_GB"}
NOTHING = "–"
PLACES_SHOWN = 6
BIG = 100


def _locale() -> str:
    return BABEL[languages.current()]


def zone() -> ZoneInfo:
    """The time zone of the page: the service's, unless the page says otherwise."""
    chosen: ZoneInfo = g.get("zone") or ZoneInfo("UTC")
    return chosen


def nano(amount: int | None, places: int = PLACES_SHOWN) -> str:
    """Nano-units as a number: at least two places, as many more as there are, up to ``places``."""
    return NOTHING if amount is None else decimal(Decimal(amount) / NANO, places)


def decimal(value: Decimal | str | None, places: int = PLACES_SHOWN) -> str:
    """An exact number; at least two places, at most ``places``.

    Pages have thousands of them, and all languages of ``BABEL`` write them alike: Python does it.
    """
    if value is None:
        return NOTHING
    whole, _point, part = f"{Decimal(value):,.{places}f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


def count(value: float | None) -> str:
    """A whole number, in groups of three."""
    if value is None:
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    return numbers.format_decimal(value, locale=_locale())


def percent(value: Decimal | float | None) -> str:
    """A ratio such as 0.25, with its sign."""
    if value is None:
        return NOTHING
    return numbers.format_percent(value, format="+#,##0%;-#,##0%", locale=_locale())


def when(moment: datetime | None) -> str:
    """A moment in the page's time zone, to the minute."""
    if moment is None:
        return NOTHING
    return moment.astimezone(zone()).strftime("%Y-%m-%d %H:%M")


def exactly(moment: datetime | None) -> str:
    """A moment to the second."""
    return NOTHING if moment is None else moment.astimezone(zone()).strftime("%Y-%m-%d %H:%M:%S")


def until(over: datetime | None) -> str:
    """Until and including when something is good that is over then: a day, or a time within one."""
    return NOTHING if over is None else good_until(over, zone())


def day(value: date | None) -> str:
    if value is None:
        return NOTHING
    return dates.format_date(value, format="medium", locale=_locale())


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, or in how long: ``3 minutes ago``, ``in 5 hours``."""
    if moment is None:
        return _("never")
    return dates.format_timedelta(moment - now, add_direction=True, locale=_locale(), threshold=1.2)


def lasting(seconds: float | None) -> str:
    """A length of time in its largest unit."""
    if seconds is None:
        return NOTHING
    return dates.format_timedelta(timedelta(seconds=seconds), locale=_locale(), threshold=1.2)


def install(app: Flask) -> None:
    for filter_ in (nano, decimal, count, percent, when, exactly, until, day, ago, lasting):
        app.jinja_env.filters[filter_.__name__] = filter_
