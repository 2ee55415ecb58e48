"""What people write on a command line, as values: amounts, durations, times, limits, messages."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

import click
from pydantic import BaseModel

from app.errors import Invalid
from app.limits import UNLIMITED
from app.metering.months import month_of
from app.money import parse_amount
from app.rerating.tariff import IN_FORCE

INHERIT = "inherit"
NO_LOCALE = "none"
_DURATION = re.compile(r"(\d+)\s*([smhdw])", re.IGNORECASE)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Amount(click.ParamType[int]):
    """Nano-units of a decimal text such as ``12.50``."""

    name = "amount"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_amount(value)
        except Invalid as error:
            self.fail(error.message, param, ctx)


class Number(click.ParamType[Decimal]):
    """An exact decimal number that is not negative, such as ``1.5``."""

    name = "number"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a decimal number", param, ctx)
        if not number.is_finite() or number < 0:
            self.fail(f"{value!r} is not a number from zero up", param, ctx)
        return number


class Duration(click.ParamType[timedelta]):
    """``90s``, ``30m``, ``12h``, ``7d``, ``2w``, or several together: ``1d12h``."""

    name = "duration"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        parts = _DURATION.findall(value)
        if not parts or _DURATION.sub("", value).strip():
            self.fail(f"{value!r} is not a duration such as 90s, 30m, 12h, 7d or 1d12h", param, ctx)
        try:
            return sum(
                (timedelta(**{_UNITS[unit.lower()]: int(count)}) for count, unit in parts),
                timedelta(),
            )
        except OverflowError:
            self.fail(f"{value!r} is longer than time is counted", param, ctx)


class When(click.ParamType[datetime]):
    """An ISO time with its offset, such as ``2026-12-01T00:00:00+08:00`` or ``…Z``."""

    name = "time"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not an ISO time such as 2026-12-01T00:00:00Z", param, ctx)
        if at.tzinfo is None:
            self.fail(f"{value!r} does not say its time zone: end it in Z or +08:00", param, ctx)
        return at.astimezone(UTC)


class Month(click.ParamType[int]):
    """``2026-01``, as the number 202601."""

    name = "month"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            first = datetime.strptime(value, "%Y-%m").replace(tzinfo=UTC)
        except ValueError:
            self.fail(f"{value!r} is not a month such as 2026-01", param, ctx)
        return month_of(first)


class ClockTime(click.ParamType[datetime]):
    """A day or time by the operator's clock, or one with its offset; see ``by_clock``."""

    name = "time"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a day or time such as 2026-12-01, 2026-12-01T08:30 or "
                "2026-12-01T08:30:00+08:00",
                param,
                ctx,
            )


class LastTime(ClockTime):
    """As above, for until when something is good: a day is the last, and whole."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        at = super().convert(value, param, ctx)
        if not isinstance(value, str) or not _is_day(value):
            return at
        try:
            return at + timedelta(days=1)
        except OverflowError:
            self.fail(f"{value!r} is the end of the calendar", param, ctx)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def by_clock(at: datetime, zone: ZoneInfo) -> datetime:
    """The moment in UTC; a time without an offset is one of the zone's clock."""
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)


class PriceTarget(click.ParamType[int | Literal["in-force"]]):
    """The number of a price version, or ``in-force``."""

    name = "version"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | Literal["in-force"]:
        if isinstance(value, int):
            return value
        if value == IN_FORCE:
            return IN_FORCE
        if not value.isascii() or not value.isdecimal():
            self.fail(f"{value!r} is neither the number of a version nor {IN_FORCE}", param, ctx)
        return int(value)


class Limit(click.ParamType[tuple[str, str | None]]):
    """``questions-per-day=200``; ``=unlimited`` lifts it, ``=inherit`` forgets it.

    The name as in ``limits``, and the text of the number or None to forget it.
    """

    name = "limit"

    def __init__(self, limits: type[BaseModel]) -> None:
        self.names = tuple(name.replace("_", "-") for name in limits.model_fields)

    @property
    def explained(self) -> str:
        """For the help of an option."""
        return f"NAME=NUMBER, =unlimited or =inherit; repeatable. Names: {', '.join(self.names)}."

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str | None]:
        if isinstance(value, tuple):
            return value
        name, equals, text = (part.strip() for part in value.partition("="))
        if not equals or not text:
            self.fail(f"{value!r} does not read like {self.names[0]}=60", param, ctx)
        if name.replace("_", "-") not in self.names:
            self.fail(f"{name!r} is not one of {', '.join(self.names)}", param, ctx)
        key = name.replace("-", "_")
        if text.lower() == INHERIT:
            return key, None
        return key, str(UNLIMITED) if text.lower() == "unlimited" else text


class Message(click.ParamType[tuple[str, str, str]]):
    """``visitor_rate:zh=慢一点``: code, locale and sentence; an empty one takes it away."""

    name = "message"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str, str]:
        if isinstance(value, tuple):
            return value
        place, equals, text = value.partition("=")
        code, colon, locale = place.partition(":")
        if not equals or not colon or not code or not locale:
            self.fail(f"{value!r} does not read like visitor_rate:zh=请稍候", param, ctx)
        return code.strip(), locale.strip(), text


def changed_limits(
    stated: Mapping[str, object], changes: Iterable[tuple[str, str | None]]
) -> dict[str, object]:
    """The stated limits with each change applied, ready to be validated."""
    merged = {**stated, **dict(changes)}
    return {name: value for name, value in merged.items() if value is not None}


def changed_messages(
    stated: Mapping[str, Mapping[str, str]], changes: Iterable[tuple[str, str, str]]
) -> dict[str, dict[str, str]]:
    """The stated messages with each change applied; an empty sentence takes one away."""
    merged = {code: dict(texts) for code, texts in stated.items()}
    for code, locale, text in changes:
        merged.setdefault(code, {})[locale] = text
    kept = {
        code: {locale: text for locale, text in texts.items() if text}
        for code, texts in merged.items()
    }
    return {code: texts for code, texts in kept.items() if texts}


def given(**values: object) -> dict[str, object]:
    """Only what was typed; an empty text stands for None, which takes the value away."""
    return {
        name: None if value == "" else value for name, value in values.items() if value is not None
    }
