"""What is asked of exports, and what is told of them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.admin.inputs import Number, Text
from app.admin.paging import Page
from app.admin.resources.asking import YEAR_MAX, YEAR_MIN, Moment
from app.exports.catalogue import Table
from app.exports.formats.registry import FORMATS
from app.jobs import store

TableName = Literal["events", "lines", "postings", "statements", "refusals", "audit"]
FormatName = Literal["csv", "xlsx", "jsonl", "parquet", "focus", "cloudevents"]


def _of_our_time(month: str) -> str:
    if not YEAR_MIN <= int(month[:4]) <= YEAR_MAX:
        raise ValueError(f"must be of the years {YEAR_MIN} to {YEAR_MAX}")
    return month


class ExportQuery(BaseModel):
    """Of which time, what of it, and how it is written. Months are by the service's clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    month: Annotated[
        Annotated[
            str,
            Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$"),
            AfterValidator(_of_our_time),
        ]
        | None,
        Field(description="Such as 2026-11; or since and until."),
    ] = None
    since: Moment | None = Field(default=None, description="From this day or time on.")
    until: Moment | None = Field(default=None, description="Before this day or time.")
    format: FormatName = "csv"
    bom: bool = Field(
        default=False, description="Begin CSV with a mark by which Excel knows UTF-8."
    )
    gzip: bool = Field(default=False, description="Compress it.")
    link: Text | None = Field(default=None, description="Only of this link: name.")
    user: Text | None = Field(default=None, description="Only of this user: uid or subject.")
    kind: Text | None = Field(default=None, description="Only of this kind; see the tables.")
    upto_event: Number | None = Field(
        default=None, description="As the books stood then: from a manifest, with the next."
    )
    upto_transaction: Number | None = None
    upto_row: Number | None = Field(
        default=None, description="The same for refusals and audit: `row_id` of a manifest."
    )

    @model_validator(mode="after")
    def _has_a_period(self) -> Self:
        bounds = (self.since is not None, self.until is not None)
        if (self.month is None) != all(bounds) or (self.month is not None and any(bounds)):
            raise ValueError("give a month, or both since and until")
        if (self.upto_event is None) != (self.upto_transaction is None):
            raise ValueError("give upto_event and upto_transaction together")
        return self


class NewExport(ExportQuery):
    """An export to be made by a worker."""

    table: TableName


class ExportDestination(BaseModel):
    """Where an export is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    destination_id: Number


class ExportReason(BaseModel):
    """Why files are removed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Text | None = None


class ColumnOut(BaseModel):
    """A column of a table."""

    name: str
    kind: str
    about: str
    is_summed: bool


class TableOut(BaseModel):
    """A table that can be exported."""

    name: str
    about: str
    permission: str
    order: str
    filters: dict[str, str]
    columns: list[ColumnOut]
    formats: list[str]

    @classmethod
    def of(cls, table: Table) -> Self:
        columns = [
            ColumnOut(
                name=column.name,
                kind=column.kind,
                about=column.about,
                is_summed=column.is_summed,
            )
            for column in table.columns
        ]
        return cls(
            name=table.name,
            about=table.about,
            permission=table.permission,
            order=table.order,
            filters={str(name): about for name, about in table.filters.items()},
            columns=columns,
            formats=formats_of(table),
        )


class TableList(BaseModel):
    """What the caller may export."""

    items: list[TableOut]


class ExportOut(BaseModel):
    """An export that a worker makes or has made."""

    id: int
    table: str
    format: str
    since: datetime
    until: datetime
    asked_by: str
    state: str
    progress: float = Field(description="From 0 to 1.")
    message: str | None = Field(description="How far it is, or why it failed.")
    error_code: str | None
    created_at: datetime
    finished_at: datetime | None
    host: str | None = Field(description="The machine that the files lie on.")
    is_here: bool = Field(description="Whether they lie on the machine that was asked.")
    manifest: dict[str, Any] | None
    deliveries: dict[str, str] = Field(
        description="By its number, the state of each delivery of the files."
    )

    @property
    def is_over(self) -> bool:
        return self.state in store.FINISHED


class ExportPage(Page[ExportOut]):
    """Exports, newest first."""


def formats_of(table: Table) -> list[str]:
    return [
        name for name, form in FORMATS.items() if form.tables is None or table.name in form.tables
    ]
