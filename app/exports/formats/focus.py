"""Usage in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification, as CSV.

All columns that it calls mandatory, and those of the others that we know. What each is made of
stands in ``COLUMNS`` and, from there, in docs/exports.md.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.exports.cells import guarded_texts
from app.exports.columns import Batch, Row
from app.exports.formats.csv_file import BOM, encoded
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally
from app.money import format_nano

VERSION = "1.2"
PROVIDER = "shareauth"
PUBLISHER = "FastGPT"
CATEGORY = "AI and Machine Learning"
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Told:
    """A row by the names of its columns, and what holds for all rows."""

    row: Mapping[str, Any]
    since: str
    until: str
    currency: str


@dataclass(frozen=True, slots=True)
class FocusColumn:
    name: str
    about: str
    of: Callable[[Told], str | None]


def _second(at: datetime) -> str:
    """As FOCUS writes times; it has no fractions of seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _at(told: Told) -> datetime:
    return datetime.fromisoformat(told.row["received_at"])


def _charge(told: Told) -> str:
    return format_nano(told.row["charge"])


def _tokens(told: Told) -> str:
    names = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
    return str(sum(told.row.get(name) or 0 for name in names))


def _description(told: Told) -> str:
    what = told.row.get("model") or told.row.get("node_kind") or "answer"
    return f"{what} for {told.row['app'] or told.row['link']}"


def _tags(told: Told) -> str:
    names = ("reference", "chat_id", "node_kind", "plan")
    known = {name: told.row[name] for name in names if told.row.get(name)}
    return json.dumps(known, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


COLUMNS: tuple[FocusColumn, ...] = (
    FocusColumn("BillingAccountId", "`uid`: the wallet's owner.", lambda it: it.row["uid"]),
    FocusColumn("BillingAccountName", "`subject`.", lambda it: it.row["subject"]),
    FocusColumn("BillingPeriodStart", "Beginning of the export's period.", lambda it: it.since),
    FocusColumn("BillingPeriodEnd", "End of the export's period.", lambda it: it.until),
    FocusColumn("ChargePeriodStart", "Second of `received_at`.", lambda it: _second(_at(it))),
    FocusColumn("ChargePeriodEnd", "The second after it.", lambda it: _second(_at(it) + SECOND)),
    FocusColumn("BilledCost", "`charge`.", _charge),
    FocusColumn("EffectiveCost", "`charge`.", _charge),
    FocusColumn("ListCost", "`charge`: no list price is kept.", _charge),
    FocusColumn("ContractedCost", "`charge`.", _charge),
    FocusColumn("BillingCurrency", "The wallets' currency.", lambda it: it.currency),
    FocusColumn("ChargeCategory", "`Usage`.", lambda _: "Usage"),
    FocusColumn("ChargeClass", "Empty: corrections are ledger postings.", lambda _: None),
    FocusColumn("ChargeDescription", "Model or kind of node, and app.", _description),
    FocusColumn("ChargeFrequency", "`Usage-Based`.", lambda _: "Usage-Based"),
    FocusColumn("ConsumedQuantity", "Tokens of all kinds.", _tokens),
    FocusColumn("ConsumedUnit", "`Tokens`.", lambda _: "Tokens"),
    FocusColumn("PricingQuantity", "`points`.", lambda it: format_nano(it.row["points"])),
    FocusColumn("PricingUnit", "`Points`.", lambda _: "Points"),
    FocusColumn("PricingCategory", "`Standard`.", lambda _: "Standard"),
    FocusColumn("ProviderName", "`shareauth`.", lambda _: PROVIDER),
    FocusColumn("PublisherName", "`FastGPT`.", lambda _: PUBLISHER),
    FocusColumn("InvoiceIssuerName", "`shareauth`.", lambda _: PROVIDER),
    FocusColumn("ServiceCategory", f"`{CATEGORY}`.", lambda _: CATEGORY),
    FocusColumn("ServiceSubcategory", "`Generative AI`.", lambda _: "Generative AI"),
    FocusColumn("ServiceName", "`FastGPT`.", lambda _: PUBLISHER),
    FocusColumn("ResourceId", "`app`.", lambda it: it.row["app"]),
    FocusColumn("ResourceName", "`app`.", lambda it: it.row["app"]),
    FocusColumn("ResourceType", "`App`.", lambda it: "App" if it.row["app"] else None),
    FocusColumn("SubAccountId", "`link`.", lambda it: it.row["link"]),
    FocusColumn("SubAccountName", "`link`.", lambda it: it.row["link"]),
    FocusColumn("SkuId", "`model`; empty for events.", lambda it: it.row.get("model") or None),
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
        self._sink.write(encoded([[column.name for column in COLUMNS]], mark))

    def write(self, batch: Batch) -> None:
        columns = list(zip(*map(self._told, batch.rows), strict=True))
        safe = [
            guarded_texts(values) if place in _TEXTS else values
            for place, values in enumerate(columns)
        ]
        self._sink.write(encoded(zip(*safe, strict=True)))

    def end(self, tally: Tally) -> None:
        pass

    def drop(self) -> None:
        pass

    def _told(self, row: Row) -> list[str | None]:
        by_name = dict(zip(self._names, row, strict=True))
        told = Told(by_name, self._since, self._until, self._sheet.currency)
        return [column.of(told) for column in COLUMNS]


FORMAT = Format(
    name="focus",
    about=f"The columns of FOCUS {VERSION} as CSV, for FinOps tools.",
    suffix="focus.csv",
    media_type="text/csv; charset=utf-8",
    open=FocusWriter,
    tables=frozenset({"events", "lines"}),
)
