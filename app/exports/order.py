"""What is asked for, and the manifest that says what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.errors import Invalid
from app.exports import catalogue
from app.exports.catalogue import Table
from app.exports.formats import registry
from app.exports.formats.port import Format, Sheet
from app.exports.scope import Scope, iso, label, scope_of
from app.exports.tally import Tally
from app.metering.months import month_text

MANIFEST_VERSION = "shareauth-export/2"


class ManifestInvalid(Invalid):
    """It is no manifest of an export, or of another version."""

    code = "manifest_invalid"


@dataclass(frozen=True, slots=True)
class Order:
    """``zone`` is the operator's: months are by its clock. ``source`` is where the service is.

    What is asked for, by whom and when; ``software`` made it.
    """

    table: Table
    form: Format
    scope: Scope
    zone: ZoneInfo
    currency: str
    source: str
    software: str
    asked_by: str
    asked_at: datetime
    with_bom: bool = False
    gzip: bool = False
    month: int | None = None
    """Asked for as a month, such as 202611; ``reading.prepare`` makes a period of it."""

    @property
    def suffix(self) -> str:
        return f".{self.form.suffix}{'.gz' if self.gzip else ''}"

    @property
    def name(self) -> str:
        """Of its files, without the suffix."""
        if self.month is not None:
            return f"{self.table.name}-{month_text(self.month)}"
        return f"{self.table.name}-{label(self.scope.period, self.zone)}"

    @property
    def media_type(self) -> str:
        return "application/gzip" if self.gzip else self.form.media_type

    @property
    def sheet(self) -> Sheet:
        """What is written of; nothing in it depends on who asks or when."""
        return Sheet(
            table=self.table,
            scope=self.scope,
            currency=self.currency,
            source=self.source,
            with_bom=self.with_bom,
            about=_flat(_request(self)),
        )

    def check(self) -> None:
        """Raises: FilterUnknown, FormatUnfit, when it cannot be made."""
        self.table.check(self.scope)
        registry.check(self.table, self.form, gzip=self.gzip, bom=self.with_bom)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """``name`` is its path below the manifest's directory."""

    name: str
    rows: int
    size_bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rows": self.rows,
            "bytes": self.size_bytes,
            "sha256": self.sha256,
        }


def manifest(order: Order, tally: Tally, files: Sequence[WrittenFile]) -> dict[str, Any]:
    """What lies beside the files as JSON."""
    return {
        "manifest": MANIFEST_VERSION,
        **_request(order),
        "columns": [{"name": column.name, "kind": column.kind} for column in order.table.columns],
        "rows": tally.rows,
        "sums": tally.sums(),
        "content_sha256": tally.content_sha256,
        "bytes": sum(file.size_bytes for file in files),
        "files": [file.as_json() for file in files],
        "software": order.software,
        "asked_by": order.asked_by,
        "asked_at": iso(order.asked_at),
    }


def order_of(told: Mapping[str, Any]) -> Order:
    """The order that a manifest tells of.

    Raises:
        ManifestInvalid: it is none.
    """
    try:
        if told["manifest"] != MANIFEST_VERSION:
            raise ManifestInvalid(
                f"the manifest is of version {told['manifest']!r}, and this program's are "
                f"{MANIFEST_VERSION!r}: its files can be checked, but not against the books"
            )
        return Order(
            table=catalogue.get(told["table"]),
            form=registry.get(told["format"]),
            scope=scope_of(told),
            zone=ZoneInfo(told["time_zone"]),
            currency=told["currency"],
            source=told["source"],
            with_bom=told["bom"],
            gzip=told["gzip"],
            software=told["software"],
            asked_by=told["asked_by"],
            asked_at=datetime.fromisoformat(told["asked_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestInvalid(f"this is no manifest of an export: {error!r}") from None


def _request(order: Order) -> dict[str, Any]:
    return {
        "table": order.table.name,
        "format": order.form.name,
        "bom": order.with_bom,
        "gzip": order.gzip,
        "time_zone": order.zone.key,
        "currency": order.currency,
        "source": order.source,
        **order.scope.as_json(),
    }


def _flat(told: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = value
    return flat
