"""Usage in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification, as CSV.

All columns that it calls mandatory, and those of the others that we know. What each is made of
stands in ``COLUMNS`` and, from there, in docs/exports.md.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from app.exports.cells import csv_texts, decimal_texts
from app.exports.columns import Batch
from app.exports.formats.csv_file import BOM, encoded
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

VERSION = "1.2"
PROVIDER = "shareauth"
PUBLISHER = "FastGPT"
CATEGORY = "AI and Machine Learning"
SECOND = timedelta(seconds=1)
SECOND_CHARS = len("2026-11-01T08:30:00")


Texts = Sequence[str | None]


@dataclass(frozen=True)
class Told:
    """Rows, column by column, by the names of their columns; and what holds for all of them."""

    count: int
    columns: Mapping[str, Sequence[Any]]
    since: str
    until: str
    currency: str

    def known(self, name: str) -> Sequence[Any]:
        """A column that not every table has."""
        return self.columns.get(name) or [None] * self.count

    @cached_property
    def charges(self) -> Texts:
        return decimal_texts(self.columns["charge"])

    def always(self, text: str | None) -> Texts:
        return [text] * self.count


@dataclass(frozen=True, slots=True)
class FocusColumn:
    name: str
    about: str
    of: Callable[[Told], Texts]


def _second(at: datetime) -> str:
    """As FOCUS writes times; it has no fractions of seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _seconds(told: Told) -> Texts:
    # Texts of UTC: what follows the seconds is cut off.
    return [f"{at[:SECOND_CHARS]}Z" for at in told.columns["received_at"]]


def _seconds_after(told: Told) -> Texts:
    seconds = _seconds(told)
    after = {text: _second(datetime.fromisoformat(text) + SECOND) for text in set(seconds) if text}
    return [after.get(text) if text else None for text in seconds]


def _charges(told: Told) -> Texts:
    return told.charges


def _tokens(told: Told) -> Texts:
    names = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
    counted = [told.known(name) for name in names]
    return [str(sum(filter(None, row))) for row in zip(*counted, strict=True)]


def _descriptions(told: Told) -> Texts:
    columns = (told.known("model"), told.known("node_kind"), _apps(told), told.columns["link"])
    return [
        f"{model or kind or 'answer'} for {app or link}"
        for model, kind, app, link in zip(*columns, strict=True)
    ]


def _apps(told: Told) -> Texts:
    return told.columns["app"]


def _links(told: Told) -> Texts:
    return told.columns["link"]


def _tags(told: Told) -> Texts:
    names = [name for name in ("chat_id", "node_kind", "plan", "reference") if name in told.columns]
    rows = zip(*(told.columns[name] for name in names), strict=True)
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return [
        encode({name: value for name, value in zip(names, row, strict=True) if value})
        for row in rows
    ]


COLUMNS: tuple[FocusColumn, ...] = (
    FocusColumn("BillingAccountId", "`uid`: the wallet's owner.", lambda it: it.columns["uid"]),
    FocusColumn("BillingAccountName", "`subject`.", lambda it: it.columns["subject"]),
    FocusColumn(
        "BillingPeriodStart", "Beginning of the export's period.", lambda it: it.always(it.since)
    ),
    FocusColumn("BillingPeriodEnd", "End of the export's period.", lambda it: it.always(it.until)),
    FocusColumn("ChargePeriodStart", "Second of `received_at`.", _seconds),
    FocusColumn("ChargePeriodEnd", "The second after it.", _seconds_after),
    FocusColumn("BilledCost", "`charge`.", _charges),
    FocusColumn("EffectiveCost", "`charge`.", _charges),
    FocusColumn("ListCost", "`charge`: no list price is kept.", _charges),
    FocusColumn("ContractedCost", "`charge`.", _charges),
    FocusColumn("BillingCurrency", "The wallets' currency.", lambda it: it.always(it.currency)),
    FocusColumn("ChargeCategory", "`Usage`.", lambda it: it.always("Usage")),
    FocusColumn(
        "ChargeClass", "Empty: corrections are ledger postings.", lambda it: it.always(None)
    ),
    FocusColumn("ChargeDescription", "Model or kind of node, and app.", _descriptions),
    FocusColumn("ChargeFrequency", "`Usage-Based`.", lambda it: it.always("Usage-Based")),
    FocusColumn("ConsumedQuantity", "Tokens of all kinds.", _tokens),
    FocusColumn("ConsumedUnit", "`Tokens`.", lambda it: it.always("Tokens")),
    FocusColumn("PricingQuantity", "`points`.", lambda it: decimal_texts(it.columns["points"])),
    FocusColumn("PricingUnit", "`Points`.", lambda it: it.always("Points")),
    FocusColumn("PricingCategory", "`Standard`.", lambda it: it.always("Standard")),
    FocusColumn("ProviderName", "`shareauth`.", lambda it: it.always(PROVIDER)),
    FocusColumn("PublisherName", "`FastGPT`.", lambda it: it.always(PUBLISHER)),
    FocusColumn("InvoiceIssuerName", "`shareauth`.", lambda it: it.always(PROVIDER)),
    FocusColumn("ServiceCategory", f"`{CATEGORY}`.", lambda it: it.always(CATEGORY)),
    FocusColumn("ServiceSubcategory", "`Generative AI`.", lambda it: it.always("Generative AI")),
    FocusColumn("ServiceName", "`FastGPT`.", lambda it: it.always(PUBLISHER)),
    FocusColumn("ResourceId", "`app`.", _apps),
    FocusColumn("ResourceName", "`app`.", _apps),
    FocusColumn("ResourceType", "`App`.", lambda it: ["App" if app else None for app in _apps(it)]),
    FocusColumn("SubAccountId", "`link`.", _links),
    FocusColumn("SubAccountName", "`link`.", _links),
    FocusColumn("SkuId", "`model`; empty for events.", lambda it: it.known("model")),
    FocusColumn("Tags", "JSON of reference, chat_id, node_kind and plan.", _tags),
)
_TEXTS = frozenset(
    place
    for place, column in enumerate(COLUMNS)
    if column.name
    in {
        "BillingAccountId",
        "BillingAccountName",
        "ChargeDescription",
        "ResourceId",
        "ResourceName",
        "SubAccountId",
        "SubAccountName",
        "SkuId",
    }
)
"""Other people's text."""


class FocusWriter:
    def __init__(self, sheet: Sheet, sink: Sink) -> None:
        self._sheet = sheet
        self._sink = sink
        self._names = sheet.table.names
        period = sheet.scope.period
        self._since, self._until = _second(period.since), _second(period.until)

    def begin(self) -> None:
        mark = BOM if self._sheet.with_bom else ""
        self._sink.write(encoded([[column.name] for column in COLUMNS], mark))

    def write(self, batch: Batch) -> None:
        self._sink.write(b"".join(map(self._encoded, batch.pieces())))

    def _encoded(self, batch: Batch) -> bytes:
        by_name = dict(zip(self._names, batch.columns, strict=True))
        told = Told(len(batch), by_name, self._since, self._until, self._sheet.currency)
        columns = [
            csv_texts(column.of(told), is_guarded=place in _TEXTS)
            for place, column in enumerate(COLUMNS)
        ]
        return encoded(columns)

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass


FORMAT = Format(
    name="focus",
    about=f"The columns of FOCUS {VERSION} as CSV, for FinOps tools.",
    suffix="focus.csv",
    media_type="text/csv; charset=utf-8",
    open=FocusWriter,
    tables=frozenset({"events", "lines"}),
)
