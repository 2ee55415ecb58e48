"""``/issuers``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.paging import PageQuery
from app.admin.resources import issuers
from app.admin.resources.issuers import IssuerChange, IssuerOut, IssuerPage, NewIssuer

section = Section("issuers", "Issuers")


@section.get("/issuers", permission="issuers:read")
def list_issuers(desk: Desk, query: PageQuery) -> IssuerPage:
    """List issuers, in the order they were made."""
    return issuers.index(desk, query)


@section.post("/issuers", permission="issuers:write", status=201, versioned=True)
def create_issuer(desk: Desk, body: NewIssuer) -> IssuerOut:
    """Add an issuer of kind `jwt` or `channel`.

    Shared secrets are encrypted and never shown again.
    """
    return issuers.create(desk, body)


@section.get("/issuers/<name>", permission="issuers:read", versioned=True)
def get_issuer(desk: Desk, name: str) -> IssuerOut:
    """Show one issuer."""
    return issuers.show(desk, name)


@section.patch("/issuers/<name>", permission="issuers:write", versioned=True)
def update_issuer(desk: Desk, name: str, body: IssuerChange) -> IssuerOut:
    """Change an issuer that is kept in the database.

    Only what is given changes; every worker follows at once.
    """
    return issuers.update(desk, name, body.model_dump(exclude_unset=True))


@section.post("/issuers/<name>/disable", permission="issuers:write")
def disable_issuer(desk: Desk, name: str) -> IssuerOut:
    """Take an issuer's tokens no longer.

    What was asked with them is still billed.
    """
    return issuers.set_enabled(desk, name, enabled=False)


@section.post("/issuers/<name>/enable", permission="issuers:write")
def enable_issuer(desk: Desk, name: str) -> IssuerOut:
    """Take an issuer's tokens again."""
    return issuers.set_enabled(desk, name, enabled=True)
