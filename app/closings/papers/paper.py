"""What a statement shows, as headings and tables of text, on screen, in print, by mail. Pure.

Names of people are not in the statement's content; they are given here by whoever has looked them
up, and an erased person's are those of their pseudonym.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.closings.papers.words import Locale, kind, word
from app.moments import good_until
from app.money import format_nano, parse_amount

PLACES_MIN = 2
_GIFTS = {"plan": "grant_of_plan", "code": "grant_of_code"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues statements, as the settings say."""

    company: str = ""
    address: str = ""
    tax_id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a user's number stands for at the time of showing."""

    name: str
    subject: str
    is_erased: bool = False
    gifts: Mapping[int, str] = field(default_factory=dict)
    """What operators and plans called the person's grants, by transaction; none once erased."""

    def shown(self, locale: Locale) -> str:
        if self.is_erased:
            return f"{self.subject} {word('erased', locale)}"
        return f"{self.name} ({self.subject})" if self.name else self.subject


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the columns in ``numbers`` stand to the right. ``total`` is a last row."""

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[int]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """One statement, ready to be drawn. ``facts`` are labels and values."""

    title: str
    issuer: Issuer
    locale: Locale
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    tax_label: str
    hash_label: str
    hash: str
    page_label: str


def build(
    said: Mapping[str, Any],
    digest: str,
    *,
    people: Mapping[str, Person],
    issuer: Issuer,
    locale: Locale,
) -> Paper:
    """The paper of a statement's content; ``people`` by the names of their wallets."""
    is_department = said["type"] == "department"
    title = word("department_statement" if is_department else "statement", locale)
    tables = [_summary(said, locale), _links(said, locale), _models(said, locale)]
    if said["credit"] is not None:
        tables.append(_credit(said, locale))
    if is_department:
        tables.append(_members(said, people, locale))
    else:
        if said["grants"]:
            tables.append(_grants(said, people, locale))
        if said["entries"]:
            tables.append(_entries(said, locale))
    return Paper(
        title=f"{title} {said['number']}",
        issuer=issuer,
        locale=locale,
        facts=list(_facts(said, people, locale)),
        tables=[table for table in tables if table.rows],
        tax_label=word("tax_id", locale),
        hash_label=word("hash", locale),
        hash=digest,
        page_label=word("page", locale),
    )


def amount(text: str) -> str:
    """An exact amount for people: groups of three, two places or as many as it has."""
    nano = parse_amount(text)
    whole, _, fraction = format_nano(abs(nano)).partition(".")
    sign = "-" if nano < 0 else ""
    return f"{sign}{int(whole):,}.{fraction.ljust(PLACES_MIN, '0')}"


def moment(text: str, zone: str) -> str:
    """A time of the content, by the clock of the statement, to the minute."""
    return f"{_time(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def last_moment(text: str, zone: str) -> str:
    """Until and including when something is good that is over at that time of the content."""
    return good_until(_time(text), ZoneInfo(zone))


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _facts(
    said: Mapping[str, Any], people: Mapping[str, Person], locale: Locale
) -> list[tuple[str, str]]:
    zone = said["zone"]
    facts = [
        ("number", said["number"]),
        ("month", said["month"]),
        ("period", f"{moment(said['since'], zone)} – {moment(said['until'], zone)} ({zone})"),
    ]
    if said["type"] == "department":
        facts.append(("department", said["department"]))
    else:
        who = people.get(said["wallet"])
        facts += [
            ("to", who.shown(locale) if who else said["wallet"]),
            ("wallet", said["wallet"]),
        ]
        if said["previous"]:
            facts.append(("previous", said["previous"]))
    facts.append(("currency", said["currency"]))
    return [(word(name, locale), value) for name, value in facts]


def _summary(said: Mapping[str, Any], locale: Locale) -> Table:
    rows = [(word("opening", locale), "", amount(said["opening"]))]
    rows += [
        (sum_label(one, locale), f"{one['count']:,}", amount(one["amount"])) for one in said["sums"]
    ]
    return Table(
        word("summary", locale),
        (word("what", locale), word("count", locale), _money(said, locale)),
        frozenset({1, 2}),
        rows,
        (word("closing", locale), "", amount(said["closing"])),
    )


def sum_label(one: Mapping[str, Any], locale: Locale) -> str:
    """What a row of sums is of."""
    name = word("rerating", locale) if one["is_rerating"] else kind(one["kind"], locale)
    return f"{name} ({word('late', locale)})" if one["is_late"] else name


def _links(said: Mapping[str, Any], locale: Locale) -> Table:
    return Table(
        word("by_link", locale),
        (word("link", locale), word("answers", locale), _money(said, locale)),
        frozenset({1, 2}),
        [(one["name"], f"{one['answers']:,}", amount(one["charge"])) for one in said["links"]],
        (
            word("total", locale),
            f"{sum(one['answers'] for one in said['links']):,}",
            amount(said["charged"]),
        ),
    )


def _models(said: Mapping[str, Any], locale: Locale) -> Table:
    return Table(
        word("by_model", locale),
        (word("model", locale), word("lines", locale), _money(said, locale)),
        frozenset({1, 2}),
        [
            (model_label(one["model"], locale), _count(one["lines"]), amount(one["charge"]))
            for one in said["models"]
        ],
        (word("total", locale), "", amount(said["charged"])),
    )


def model_label(model: str | None, locale: Locale) -> str:
    if model is None:
        return word("unexplained", locale)
    return model or word("no_model", locale)


def _entries(said: Mapping[str, Any], locale: Locale) -> Table:
    rows = []
    for one in said["entries"]:
        label = kind(one["kind"], locale)
        if one["reverses"] is not None:
            label = f"{label}: {word('reverses', locale)} {one['reverses']}"
        if one["is_late"]:
            label = f"{label} ({word('late', locale)})"
        number = str(one["transaction"])
        rows.append((moment(one["at"], said["zone"]), label, number, amount(one["amount"])))
    rest = said["entries_left_out"]
    return Table(
        word("entries", locale),
        (
            word("at", locale),
            word("what", locale),
            word("transaction", locale),
            _money(said, locale),
        ),
        frozenset({2, 3}),
        rows,
        note=f"{rest:,} {word('left_out', locale)}" if rest else "",
    )


def _credit(said: Mapping[str, Any], locale: Locale) -> Table:
    """Whose credit the charges were met by, what lapsed, and what the balance is made of."""
    credit = said["credit"]
    lapsed = parse_amount(credit["expired"]) + parse_amount(credit["revoked"])
    amounts = {
        "charged_to_granted": credit["charged"],
        "charged_to_paid": credit["paid_charged"],
        "breakage": format_nano(lapsed),
        "closing_granted": credit["closing"],
        "closing_paid": credit["paid_closing"],
    }
    return Table(
        word("credit", locale),
        (word("what", locale), _money(said, locale)),
        frozenset({1}),
        [(word(name, locale), amount(text)) for name, text in amounts.items()],
    )


def _grants(said: Mapping[str, Any], people: Mapping[str, Person], locale: Locale) -> Table:
    who = people.get(said["wallet"])
    rows = [
        (gift_label(one, who, said["zone"], locale), *_grant_amounts(one)) for one in said["grants"]
    ]
    rest = said["grants_left_out"]
    columns = ("grant", "grant_opening", "grant_given", "grant_spent", "grant_lapsed")
    return Table(
        word("grants", locale),
        tuple(word(name, locale) for name in (*columns, "grant_closing")),
        frozenset({1, 2, 3, 4, 5}),
        rows,
        (word("total", locale), *_grant_amounts(said["credit"])),
        note=f"{rest:,} {word('grants_left_out', locale)}" if rest else "",
    )


def gift_label(one: Mapping[str, Any], who: Person | None, zone: str, locale: Locale) -> str:
    """What the grant was called, or whose it is, and until when it is good."""
    label = word(_GIFTS.get(one["source"], "grant_of_operator"), locale)
    if one["source"] == "plan":
        label = f"{label} {one['month']}"
    if who is not None:
        label = who.gifts.get(one["transaction"], label)
    if parse_amount(one["revoked"]):
        return f"{label} ({word('grant_revoked', locale)})"
    if one["expires_at"] is None:
        return label
    return f"{label} ({word('grant_until', locale)} {last_moment(one['expires_at'], zone)})"


def _grant_amounts(one: Mapping[str, Any]) -> tuple[str, ...]:
    lapsed = parse_amount(one["expired"]) + parse_amount(one["revoked"])
    return (
        amount(one["opening"]),
        amount(one["given"]),
        amount(one["spent"]),
        amount(format_nano(lapsed)),
        amount(one["closing"]),
    )


def _members(said: Mapping[str, Any], people: Mapping[str, Person], locale: Locale) -> Table:
    rows = []
    for one in said["members"]:
        who = people.get(one["wallet"])
        rows.append(
            (
                one["number"],
                who.shown(locale) if who else one["wallet"],
                amount(one["opening"]),
                amount(one["charged"]),
                amount(one["closing"]),
            )
        )
    return Table(
        word("members", locale),
        tuple(word(name, locale) for name in ("number", "member", "opening", "charge", "closing")),
        frozenset({2, 3, 4}),
        rows,
        (
            word("total", locale),
            "",
            amount(said["opening"]),
            amount(said["charged"]),
            amount(said["closing"]),
        ),
    )


def _money(said: Mapping[str, Any], locale: Locale) -> str:
    return f"{word('amount', locale)} ({said['currency']})"


def _count(number: int) -> str:
    return f"{number:,}" if number else ""
