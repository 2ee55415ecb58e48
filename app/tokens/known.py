"""The issuers of one moment: rows of the database joined with the configuration."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from app.keys import Keys, SealBroken
from app.tokens.issuers import IssuerSpec
from app.tokens.models import Issuer


@dataclass(frozen=True, slots=True)
class KnownIssuer:
    id: int
    name: str
    spec: IssuerSpec | None
    """None when it cannot be used: it left the configuration, or its secrets cannot be opened."""
    is_active: bool

    @property
    def kind(self) -> str | None:
        return None if self.spec is None else self.spec.kind


@dataclass(frozen=True, slots=True)
class KnownIssuers:
    by_name: Mapping[str, KnownIssuer]
    by_id: Mapping[int, KnownIssuer]
    by_iss: Mapping[str, KnownIssuer]
    """Issuers of kind ``jwt`` by what ``iss`` must say."""
    channels: Sequence[tuple[re.Pattern[str], KnownIssuer]] = field(default=())
    """Active ones first, then by name."""


def join(rows: Sequence[Issuer], configured: Sequence[IssuerSpec], *, keys: Keys) -> KnownIssuers:
    """Where two issuers claim one ``iss``, the active one has it, then the older one."""
    in_configuration = {spec.name: spec for spec in configured}
    found = [_known(row, in_configuration, keys) for row in sorted(rows, key=lambda row: row.id)]
    ranked = sorted(found, key=lambda issuer: not issuer.is_active)
    by_iss: dict[str, KnownIssuer] = {}
    channels: list[tuple[re.Pattern[str], KnownIssuer]] = []
    for issuer in ranked:
        if issuer.spec is not None and issuer.spec.kind == "jwt":
            by_iss.setdefault(issuer.spec.expected_issuer, issuer)
        if issuer.spec is not None and issuer.spec.pattern is not None:
            channels.append((re.compile(issuer.spec.pattern), issuer))
    return KnownIssuers(
        by_name={issuer.name: issuer for issuer in found},
        by_id={issuer.id: issuer for issuer in found},
        by_iss=by_iss,
        channels=tuple(channels),
    )


def stored_spec(row: Issuer, *, keys: Keys) -> IssuerSpec:
    """The whole spec of a row, its shared secrets opened.

    Raises:
        SealBroken: they were sealed under another secret key.
    """
    secrets = () if row.sealed_secrets is None else json.loads(keys.unseal(row.sealed_secrets))
    return IssuerSpec.model_validate({**row.spec, "secrets": secrets})


def _known(row: Issuer, configured: Mapping[str, IssuerSpec], keys: Keys) -> KnownIssuer:
    try:
        spec = configured.get(row.name) if row.origin == "config" else stored_spec(row, keys=keys)
    except (SealBroken, ValidationError):  # only this issuer's tokens are refused; others go on
        spec = None
    return KnownIssuer(
        id=row.id, name=row.name, spec=spec, is_active=spec is not None and row.status == "active"
    )
