"""Usage in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification, as CSV.

All columns that it calls mandatory, and those of the others that we know. What each is made of
stands in ``COLUMNS`` and, from there, in docs/exports.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from app.exports.cells import csv_texts, decimal_texts, integer_texts
from app.exports.columns import Batch
from app.exports.formats.csv_file import BOM, encoded
from app.exports.formats.json_lines import lines_of
from app.exports.formats.port import Format, Sheet, Sink
from app.exports.tally import Tally

VERSION = "1.2"
PROVIDER = "shareauth"
PUBLISHER = "FastGPT"
CATEGORY = "AI and Machine Learning"
SECOND = timedelta(seconds=1)
SECOND_CHARS = len("2026-11-01T08:30:00")


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
    def charges(self) -> Sequence[str]:
        return decimal_texts(self.columns["charge"])

    @cached_property
    def seconds(self) -> Sequence[str]:
        # Texts of UTC: what follows the seconds is cut off.
        return [f"{at[:SECOND_CHARS]}Z" for at in self.columns["received_at"]]

    @cached_property
    def apps(self) -> Sequence[str]:
        """Cells, which several columns have."""
        return csv_texts(self.columns["app"])

    @cached_property
    def links(self) -> Sequence[str]:
        """Cells, too."""
        return csv_texts(self.columns["link"])

    def always(self, text: str) -> Sequence[str]:
        return [text] * self.count


@dataclass(frozen=True, slots=True)
class FocusColumn:
    """``of`` makes cells of a CSV file: other people's texts guarded, and quoted."""

    name: str
    about: str
    of: Callable[[Told], Sequence[str]]


def _second(at: datetime) -> str:
    """As FOCUS writes times; it has no fractions of seconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _seconds_after(told: Told) -> Sequence[str]:
    return [
        f"{text[:-3]}{later}Z" if (later := _LATER.get(text[-3:-1])) else _second_after(text)
        for text in told.seconds
    ]


_LATER = {f"{second:02}": f"{second + 1:02}" for second in range(59)}
"""The second after, within a minute."""


def _second_after(text: str) -> str:
    return _second(datetime.fromisoformat(text) + SECOND)


def _charges(told: Told) -> Sequence[str]:
    return told.charges


def _tokens(told: Told) -> Sequence[str]:
    names = ("input_tokens", "output_tokens", "embedding_tokens", "rerank_tokens")
    counted = [told.columns[name] for name in names if name in told.columns]
    return integer_texts([sum(filter(None, row)) for row in zip(*counted, strict=True)])


def _descriptions(told: Told) -> Sequence[str]:
    columns = (told.known("model"), told.known("node_kind"), told.columns["app"])
    rows = zip(*columns, told.columns["link"], strict=True)
    return csv_texts(
        [f"{model or kind or 'answer'} for {app or link}" for model, kind, app, link in rows]
    )


def _apps(told: Told) -> Sequence[str]:
    return told.apps


def _links(told: Told) -> Sequence[str]:
    return told.links


class _Tags(msgspec.Struct, omit_defaults=True, gc=False):
    chat_id: str = ""
    node_kind: str = ""
    plan: str = ""
    reference: str = ""


def _tags(told: Told) -> Sequence[str]:
    columns = [[text or "" for text in told.known(name)] for name in _Tags.__struct_fields__]
    lines = lines_of(map(_Tags, *columns)).decode()
    # Each is an object on a line of its own: quotes are doubled in all of them at once.
    texts = lines.replace('"', '""').split("\n")[:-1]
    return [f'"{text}"' if text != "{}" else text for text in texts]


COLUMNS: tuple[FocusColumn, ...] = (
    FocusColumn(
        "BillingAccountId", "`uid`: the wallet's owner.", lambda it: csv_texts(it.columns["uid"])
    ),
    FocusColumn("BillingAccountName", "`subject`.", lambda it: csv_texts(it.columns["subject"])),
    FocusColumn(
        "BillingPeriodStart", "Beginning of the export's period.", lambda it: it.always(it.since)
    ),
    FocusColumn("BillingPeriodEnd", "End of the export's period.", lambda it: it.always(it.until)),
    FocusColumn("ChargePeriodStart", "Second of `received_at`.", lambda it: it.seconds),
    FocusColumn("ChargePeriodEnd", "The second after it.", _seconds_after),
    FocusColumn("BilledCost", "`charge`.", _charges),
    FocusColumn("EffectiveCost", "`charge`.", _charges),
    FocusColumn("ListCost", "`charge`: no list price is kept.", _charges),
    FocusColumn("ContractedCost", "`charge`.", _charges),
    FocusColumn(
        "BillingCurrency",
        "The wallets' currency.",
        lambda it: csv_texts(it.always(it.currency), is_guarded=False),
    ),
    FocusColumn("ChargeCategory", "`Usage`.", lambda it: it.always("Usage")),
    FocusColumn("ChargeClass", "Empty: corrections are ledger postings.", lambda it: it.always("")),
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
    FocusColumn("ResourceType", "`App`.", lambda it: ["App" if app else "" for app in it.apps]),
    FocusColumn("SubAccountId", "`link`.", _links),
    FocusColumn("SubAccountName", "`link`.", _links),
    FocusColumn("SkuId", "`model`; empty for events.", lambda it: csv_texts(it.known("model"))),
    FocusColumn("Tags", "JSON of reference, chat_id, node_kind and plan.", _tags),
)


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
        return encoded([column.of(told) for column in COLUMNS])

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
