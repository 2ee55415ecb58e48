"""Issuers, as the API and the pages show and change them. Their shared secrets are never shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy.orm import Session

from app.admin import versions
from app.admin.desk import Desk
from app.admin.paging import Page, PageQuery
from app.admin.texts import check_storable
from app.errors import Invalid
from app.tokens import issuer_commands, known, store
from app.tokens.issuers import (
    ClaimsMapping,
    IssuerSpec,
    Kind,
    PublicKeySpec,
    parse_configured,
)
from app.tokens.known import KnownIssuers
from app.tokens.models import Issuer
from app.tokens.store import IssuerNotFound

Text = Annotated[str, Field(max_length=2000)]


class IssuerOut(BaseModel):
    """Somebody whose word about a visitor is taken."""

    id: int
    name: str
    kind: Kind
    origin: Literal["builtin", "config", "database"] = Field(
        description="`config` issuers stand in the settings and are changed there."
    )
    status: Literal["active", "disabled"]
    is_usable: bool = Field(
        description="False: it left the settings, or its secrets cannot be opened."
    )
    is_changeable: bool
    expected_issuer: str | None = Field(description="What `iss` must say, for kind `jwt`.")
    secrets: int = Field(description="How many shared secrets it has; they are never shown.")
    spec: dict[str, Any] = Field(description="All that is pinned for it but shared secrets.")
    created_at: datetime


class IssuerPage(Page[IssuerOut]):
    """Issuers, in the order they were made."""


class NewIssuer(IssuerSpec):
    """A new issuer of kind `jwt` or `channel`."""

    issuer: Text | None = None
    default_plan: Text | None = None
    pattern: Annotated[str, Field(max_length=500)] | None = None


class IssuerChange(BaseModel):
    """What to change; only fields that are given change. New keys replace keys of every kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    creates_users: bool | None = None
    default_plan: Text | None = None
    algorithms: tuple[Text, ...] | None = None
    issuer: Text | None = None
    audience: tuple[Text, ...] | None = None
    types: tuple[Text, ...] | None = None
    leeway_s: int | None = None
    max_lifetime_s: int | None = None
    require_exp: bool | None = None
    token_chars_max: int | None = None
    secrets: tuple[SecretStr, ...] | None = None
    public_keys: tuple[PublicKeySpec, ...] | None = None
    jwks_url: Text | None = None
    claims: ClaimsMapping | None = None
    pattern: Annotated[str, Field(max_length=500)] | None = None


def index(desk: Desk, query: PageQuery) -> IssuerPage:
    """There are few: all of them are one page, whatever its limit."""
    del query
    with desk.db.read() as session:
        rows = store.list_issuers(session)
        found = _known(desk, list(rows))
        return IssuerPage(items=[_shown(row, found) for row in rows])


def show(desk: Desk, name: str) -> IssuerOut:
    with desk.db.read() as session:
        row = _find(session, name)
        versions.show(issuer_commands.describe(row))
        return _shown(row, _known(desk, [row]))


def create(desk: Desk, spec: IssuerSpec) -> IssuerOut:
    check_storable(spec.public())
    with desk.change() as session:
        row = issuer_commands.create_issuer(
            session, spec, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        versions.show(issuer_commands.describe(row))
        return _shown(row, _known(desk, [row]))


def update(desk: Desk, name: str, stated: Mapping[str, Any]) -> IssuerOut:
    """Change the fields that are stated.

    Raises:
        Invalid: it is not kept in the database, or the whole would not be an issuer.
    """
    with desk.change() as session:
        row = _find(session, name)
        versions.check(issuer_commands.describe(row))
        issuer_commands.check_changeable(row)
        old = known.stored_spec(row, keys=desk.keys)
        spec = spec_of(issuer_commands.changed_spec(old, stated))
        check_storable(spec.public())
        issuer_commands.replace_issuer(
            session, row, spec, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        versions.show(issuer_commands.describe(row))
        return _shown(row, _known(desk, [row]))


def set_enabled(desk: Desk, name: str, *, enabled: bool) -> IssuerOut:
    with desk.change() as session:
        row = _find(session, name)
        issuer_commands.set_issuer_enabled(
            session, row, enabled=enabled, actor=desk.actor, now=desk.now
        )
        versions.show(issuer_commands.describe(row))
        return _shown(row, _known(desk, [row]))


def spec_of(values: Mapping[str, Any]) -> IssuerSpec:
    """The issuer made of these fields.

    Raises:
        Invalid: says each that is wrong; no value is repeated, for some are secrets.
    """
    try:
        return IssuerSpec.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in entry['loc'])}: "
            f"{str(entry['msg']).removeprefix('Value error, ')}".removeprefix(": ")
            for entry in error.errors(include_url=False, include_input=False)
        ]
        raise Invalid("; ".join(problems)) from None


def _find(session: Session, name: str) -> Issuer:
    row = store.find_issuer(session, name) if name.isprintable() else None
    if row is None:
        raise IssuerNotFound("there is no such issuer")
    return row


def _known(desk: Desk, rows: list[Issuer]) -> KnownIssuers:
    return known.join(rows, parse_configured(desk.settings.issuers), keys=desk.keys)


def _shown(row: Issuer, found: KnownIssuers) -> IssuerOut:
    spec = found.by_id[row.id].spec
    return IssuerOut.model_validate(
        {
            **issuer_commands.describe(row),
            "id": row.id,
            "spec": row.spec if spec is None else spec.public(),
            "is_usable": spec is not None,
            "is_changeable": row.origin == issuer_commands.DATABASE_ORIGIN,
            "expected_issuer": spec.expected_issuer if spec and spec.kind == "jwt" else None,
            "secrets": 0 if spec is None else len(spec.secrets),
            "created_at": row.created_at,
        }
    )
