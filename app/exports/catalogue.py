"""Which tables can be exported: their columns, filters, permissions, and how they are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.exports.books import store as books
from app.exports.columns import Column, Kind, Row
from app.exports.journals import store as journals
from app.exports.names.store import Names
from app.exports.scope import Scope
from app.exports.usage import store as usage
from app.exports.usage.store import Archived
from app.exports.walk.store import Key, Page
from app.exports.wallets import store as wallets
from app.exports.wallets.store import Moved

Filter = Literal["link", "user", "kind"]


class TableNotFound(NotFound):
    """Nothing of that name can be exported."""

    code = "export_table_not_found"


class FilterUnknown(Invalid):
    """The table cannot be cut like that."""

    code = "export_filter_unknown"


@dataclass(frozen=True, slots=True)
class Beside:
    """What a table is read with, beside the database; of one export."""

    archives: Archived
    names: Names
    moved: Moved


Read = Callable[[Session, Scope, Key, int, Beside], Page]


@dataclass(frozen=True, slots=True)
class Event:
    """What a row is as an event of CloudEvents: its type and id, and whom it is about."""

    type: str
    id_of: Callable[[Row], str]
    subject: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """``page`` is how many rows, or what rows are made of, are read at a time."""

    name: str
    about: str
    permission: str
    columns: tuple[Column, ...]
    filters: Mapping[Filter, str]
    """What each filter it takes compares."""
    order: str
    time: str | None
    """The column that puts a row into its month."""
    event: Event | None
    begin: Callable[[Scope], Key]
    read: Read
    page: int = 5000
    kinds: tuple[str, ...] = ()
    """The kinds there are; empty where what others say is one."""
    is_of_books: bool = True
    """Bounded by a position of the books, not by a row of its own."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def place(self, name: str) -> int:
        return self.names.index(name)

    def check(self, scope: Scope) -> None:
        """Raises: FilterUnknown, when it cannot be cut like that."""
        asked = {"link": scope.link_id, "user": scope.user_id, "kind": scope.kind}
        for name, value in asked.items():
            if value is not None and name not in self.filters:
                takes = ", ".join(self.filters) or "none"
                raise FilterUnknown(f"{self.name} cannot be filtered by {name}; it takes {takes}")
        if scope.kind is not None and self.kinds and scope.kind not in self.kinds:
            raise FilterUnknown(f"{self.name} have no kind {scope.kind!r}: {', '.join(self.kinds)}")
        if scope.link_ids is not None and "link" not in self.filters:
            raise FilterUnknown(f"{self.name} belongs to no link: it is not for you to see")


def get(name: str) -> Table:
    """Raises: TableNotFound."""
    if name not in TABLES:
        raise TableNotFound(f"there is no table {name!r}; there are {', '.join(TABLES)}")
    return TABLES[name]


def _column(name: str, kind: Kind, about: str, *, is_summed: bool = False) -> Column:
    return Column(name, kind, about, is_summed)


_REFERENCE = _column("reference", "text", "Of the answer: what its visitor can read out.")
_RECEIVED = _column("received_at", "time", "When FastGPT reported the answer.")
_SUBJECT = _column("subject", "text", "Who asked, as their issuer names them.")
_UID = _column("uid", "text", "Who asked, as FastGPT knows them; never changes.")
_LINK = _column("link", "text", "Name of the share link.")
_APP = _column("app", "text", "Name of FastGPT's app.")
_POINTS = _column("points", "decimal", "Points of FastGPT's.", is_summed=True)
_CHARGE = _column("charge", "decimal", "What was charged for it.", is_summed=True)
_LATE = _column("late", "flag", "Of an earlier time, but posted after that month was closed.")
_INPUT = _column("input_tokens", "integer", "Tokens sent to models.", is_summed=True)
_OUTPUT = _column("output_tokens", "integer", "Tokens that models wrote.", is_summed=True)


EVENTS = Table(
    name="events",
    about="Every answer: who, where, points, charge, tokens.",
    permission="usage:read",
    columns=(
        _REFERENCE,
        _RECEIVED,
        _SUBJECT,
        _column("user_name", "text", "Name of who asked, as it is now."),
        _LINK,
        _APP,
        _column("chat_id", "text", "FastGPT's conversation."),
        _POINTS,
        _CHARGE,
        _INPUT,
        _OUTPUT,
        _column("running_time_ms", "integer", "How long the answer took.", is_summed=True),
        _column("warnings", "text", "Codes of what was not understood, in alphabetical order."),
        _UID,
        _column("plan", "text", "Plan of who asked, at that time; its name of now."),
        _column("price_version", "integer", "Version of the price book it was charged by."),
        _column("generation", "text", "Generation of FastGPT that reported it."),
        _column("billed_by", "text", "What proved who asked: token, session or signature."),
        _column("node_count", "integer", "Nodes of the workflow that ran.", is_summed=True),
        _column("event", "integer", "Number of the usage event in the books."),
        _LATE,
    ),
    filters={"link": "the link", "user": "who asked"},
    order="received_at, event",
    time="received_at",
    event=Event("shareauth.usage.answered", lambda row: str(row[0]), "uid"),
    begin=lambda scope: usage.walk(scope).begin,
    read=lambda session, scope, key, limit, beside: usage.read_events(
        session, scope, key, limit, beside.names
    ),
    page=10_000,
)

LINES = Table(
    name="lines",
    about="What each node of each answer used, with its model.",
    permission="usage:read",
    columns=(
        _REFERENCE,
        _RECEIVED,
        _SUBJECT,
        _LINK,
        _APP,
        _column("position", "integer", "Place of the node among those of the answer."),
        _column("model", "text", "Name of the model; empty where none was named."),
        _column("node_kind", "text", "Kind of the node."),
        _INPUT,
        _OUTPUT,
        _column("embedding_tokens", "integer", "Tokens that were embedded.", is_summed=True),
        _column("rerank_tokens", "integer", "Tokens that were ranked again.", is_summed=True),
        _POINTS,
        _CHARGE,
        _UID,
        _column("is_covered", "flag", "No points here: another line has its cost."),
        _column("event", "integer", "Number of the usage event in the books."),
        _LATE,
    ),
    filters={"link": "the link", "user": "who asked", "kind": "the kind of the node"},
    order="received_at, event, position",
    time="received_at",
    event=Event("shareauth.usage.line", lambda row: f"{row[0]}/{row[5]}", "uid"),
    begin=lambda scope: usage.walk(scope).begin,
    read=lambda session, scope, key, limit, beside: usage.read_lines(
        session, scope, key, limit, beside.names, beside.archives
    ),
)

POSTINGS = Table(
    name="postings",
    about="Both sides of every transaction of the ledger.",
    permission="ledger:read",
    columns=(
        _column("transaction", "integer", "Number of the transaction."),
        _column("posted_at", "time", "When it was posted."),
        _column("kind", "text", "Kind of the transaction, such as charge or top_up."),
        _column("wallet", "text", "Account of the wallet that it changes."),
        _column("sequence", "integer", "Its place in the chain of that wallet."),
        _column("account", "text", "Account of this side."),
        _column("currency", "text", "Of the amounts."),
        _column("amount", "decimal", "Of this side; both sides add up to nothing.", is_summed=True),
        _column("balance_after", "decimal", "Balance of the wallet after it."),
        _column("event", "integer", "Number of the usage event that a charge is for."),
        _column("reverses", "integer", "Number of the transaction that a reversal takes back."),
        _column("reason", "text", "Why, for what people have posted."),
        _column("actor", "text", "Who posted it."),
        _column("position", "integer", "0 for the wallet's side, from 1 on for the other."),
        _LATE,
    ),
    filters={"user": "whose wallet it is", "kind": "the kind of the transaction"},
    order="posted_at, transaction, position",
    time="posted_at",
    event=Event("shareauth.ledger.posted", lambda row: f"{row[0]}/{row[13]}", "wallet"),
    begin=lambda scope: books.walk(scope).begin,
    read=lambda session, scope, key, limit, beside: books.read_postings(
        session, scope, key, limit, beside.names
    ),
    page=2500,
    kinds=wallets.KINDS,
)

STATEMENTS = Table(
    name="statements",
    about="For each wallet: what it had, what moved it by kind, what it has then.",
    permission="wallets:read",
    columns=(
        _column("uid", "text", "Whose wallet it is, as FastGPT knows them."),
        _column("subject", "text", "Whose wallet it is, as their issuer names them."),
        _column("name", "text", "Their name, as it is now."),
        _column("currency", "text", "Of the amounts."),
        _column("opening_balance", "decimal", "At the beginning.", is_summed=True),
        *(
            _column(kind, "decimal", f"Transactions of the kind {kind}, added up.", is_summed=True)
            for kind in wallets.KINDS
        ),
        _column("closing_balance", "decimal", "At the end.", is_summed=True),
    ),
    filters={"user": "whose wallet it is"},
    order="by when the wallet was made",
    time=None,
    event=None,
    begin=lambda _: wallets.begin(),
    read=lambda session, scope, key, limit, beside: wallets.read_statements(
        session, scope, key, limit, beside.moved
    ),
    page=1000,
)

REFUSALS = Table(
    name="refusals",
    about="Who was refused, when, and why.",
    permission="refusals:read",
    columns=(
        _column("reference", "text", "What the visitor can read out."),
        _column("at", "time", "When."),
        _column("hook", "text", "Which call of FastGPT's: init, start, finish or other."),
        _column("code", "text", "The rule or reason."),
        _column("message", "text", "The reason in a sentence."),
        _LINK,
        _column("uid", "text", "Who, as FastGPT knows them, where the token told."),
        _column("issuer", "text", "Whose word was taken for it."),
        _column("subject", "text", "Who, as the issuer names them."),
        _column("address", "text", "Address of the caller, which is FastGPT's as a rule."),
        _column("called", "text", "Method and path of the call."),
        _column("refusal", "integer", "Number of the row."),
    ),
    filters={"link": "the link", "user": "who was refused", "kind": "the code"},
    order="at, refusal",
    time="at",
    event=Event("shareauth.usage.refused", lambda row: str(row[0]), "uid"),
    begin=lambda scope: journals.walk_refusals(scope).begin,
    read=lambda session, scope, key, limit, beside: journals.read_refusals(
        session, scope, key, limit, beside.names
    ),
    is_of_books=False,
)

AUDIT = Table(
    name="audit",
    about="Who changed what, with before and after.",
    permission="audit:read",
    columns=(
        _column("id", "integer", "Number of the entry."),
        _column("at", "time", "When."),
        _column("actor", "text", "Who."),
        _column("source", "text", "Where it was asked for: cli, admin, api, visitor, service."),
        _column("address", "text", "From which address."),
        _column("action", "text", "What was done."),
        _column("object_type", "text", "To what kind of thing."),
        _column("object_id", "text", "To which one."),
        _column("before", "json", "How it was."),
        _column("after", "json", "How it is then."),
        _column("reason", "text", "Why."),
    ),
    filters={"kind": "the kind of thing"},
    order="at, id",
    time="at",
    event=Event("shareauth.audit.recorded", lambda row: str(row[0]), "actor"),
    begin=lambda scope: journals.walk_audit(scope).begin,
    read=lambda session, scope, key, limit, _: journals.read_audit(session, scope, key, limit),
    is_of_books=False,
)

TABLES: Mapping[str, Table] = {
    table.name: table for table in (EVENTS, LINES, POSTINGS, STATEMENTS, REFUSALS, AUDIT)
}
"""By name."""
