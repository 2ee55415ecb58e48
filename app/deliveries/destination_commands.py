"""What an operator may do to the destinations of files."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from sqlalchemy.orm import Session

from app.alerts import signing
from app.alerts.addressing import SigningSecret
from app.alerts.destination_commands import OVERLAP_MAX_S, Mailbox, Name, Url, new_secret
from app.audit import journal
from app.audit.journal import Actor
from app.config import Locale
from app.deliveries import address as addressing
from app.deliveries import store
from app.deliveries.address import Address
from app.deliveries.models import FileDestination
from app.errors import Conflict, Invalid
from app.keys import Keys

Kind = Literal["directory", "s3", "webhook", "mail"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FIELDS: Mapping[Kind, frozenset[str]] = {
    "directory": frozenset({"path"}),
    "s3": frozenset({"endpoint", "region", "bucket", "prefix", "access_key", "secret_key"}),
    "webhook": frozenset({"url", "secret"}),
    "mail": frozenset({"recipients"}),
}
"""Kind: what makes its address."""
REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    "directory": ("path",),
    "s3": ("bucket", "access_key", "secret_key"),
    "webhook": ("url",),
    "mail": ("recipients",),
}
_ALL = frozenset[str]().union(*FIELDS.values())
_SECRETS = frozenset({"secret", "secret_key"})


def _relative(path: str) -> str:
    """Names between slashes; nothing that leads out, or back."""
    parts = path.strip("/").split("/")
    if not all(part and part == part.strip() and not part.startswith(".") for part in parts):
        raise ValueError("names between slashes, none of which begins with a dot or a blank")
    if not path.isprintable() or "\\" in path:
        raise ValueError("must be printable, without backslashes")
    return "/".join(parts)


def _prefix(path: str) -> str:
    return _relative(path) if path.strip("/") else ""


def _host_only(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.path.strip("/") or parts.query or not url.isprintable():
        raise ValueError("scheme, host and port only, such as https://minio.example.com:9000")
    _ = parts.port  # raises ValueError itself
    return url.rstrip("/")


Place = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_relative)]
Prefix = Annotated[str, Field(max_length=500), AfterValidator(_prefix)]
Endpoint = Annotated[
    str, Field(pattern=r"^(https?://[^\s@#]+)?$", max_length=300),
    AfterValidator(lambda url: _host_only(url) if url else ""),
]  # fmt: skip
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
AccessKey = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


class _Destination(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    is_enabled: bool = True
    locale: Locale = "zh"
    path: Place | None = None
    """Of a directory: below ``deliveries.root`` of the settings."""
    endpoint: Endpoint | None = None
    """Of S3-compatible storage, such as https://minio.example.com:9000; without it AWS."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,40}$")] | None = None
    bucket: Bucket | None = None
    prefix: Prefix | None = None
    """Keys begin with it and a slash."""
    access_key: AccessKey | None = None
    secret_key: Annotated[SecretStr, Field(min_length=1, max_length=500)] | None = None
    url: Url | None = None
    """Of a webhook. Confidential: it may hold a key."""
    secret: Annotated[SecretStr, Field(max_length=500)] | None = None
    """Of a webhook, only to bring one along; else one is made."""
    recipients: Annotated[tuple[Mailbox, ...], Field(max_length=50)] = ()


class DestinationSpec(_Destination):
    """A whole destination."""

    name: Name
    kind: Kind

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        for name in REQUIRED[self.kind]:
            if not getattr(self, name):
                raise ValueError(f"{name}: a destination of the kind {self.kind} needs it")
        foreign = sorted(name for name in _ALL - FIELDS[self.kind] if getattr(self, name))
        if foreign:
            raise ValueError(f"{', '.join(foreign)}: not of the kind {self.kind}")
        return self


class DestinationChange(_Destination):
    """What to change; only fields that are given change. Secrets are replaced."""


@dataclass(frozen=True, slots=True)
class AddedDestination:
    destination: FileDestination
    secret: str | None
    """Of a webhook: what the receiver verifies signatures with. Shown now and never again."""


def add(
    session: Session, spec: DestinationSpec, *, keys: Keys, actor: Actor, now: datetime
) -> AddedDestination:
    """The new destination.

    Raises:
        Conflict: one of that name exists (``file_destination_exists``).
        Invalid: the secret brought along is none of Standard Webhooks.
    """
    made = None
    if spec.kind == "webhook":
        made = new_secret() if not spec.secret else _checked(spec.secret)
    address = _address(Address(), spec, FIELDS[spec.kind])
    if made is not None:
        address = address.model_copy(update={"signing": (SigningSecret(secret=made),)})
    row = {
        "name": spec.name,
        "kind": spec.kind,
        "is_enabled": spec.is_enabled,
        "locale": spec.locale,
        "details": _details(spec.kind, address),
        "sealed": addressing.seal(address, keys),
        "created_at": now,
    }
    if not store.insert_destination_if_new(session, row):
        raise Conflict(
            f"there is a destination named {spec.name!r} already", code="file_destination_exists"
        )
    destination = store.get_destination_named(session, spec.name)
    _record(session, "add", destination, actor=actor, now=now)
    return AddedDestination(destination, made)


def update(
    session: Session,
    destination: FileDestination,
    change: DestinationChange,
    *,
    keys: Keys,
    actor: Actor,
    now: datetime,
) -> FileDestination:
    """Change a destination; what waits for it goes by the new values.

    Raises:
        Invalid: something that this kind does not have, or cannot be without
            (``file_destination_invalid``).
    """
    before, kind = describe(destination), _kind(destination)
    given = change.model_fields_set
    if given & (_ALL - FIELDS[kind]) or "secret" in given:
        raise Invalid(
            "a destination keeps its kind, and a webhook's secret is rotated",
            code="file_destination_invalid",
        )
    for name in REQUIRED[kind]:
        if name in given and not getattr(change, name):
            raise Invalid(f"{name}: a destination needs it", code="file_destination_invalid")
    if wanted := given & FIELDS[kind]:
        address = _address(addressing.unseal(destination.sealed, keys), change, wanted)
        destination.details = _details(kind, address)
        destination.sealed = addressing.seal(address, keys)
    if change.is_enabled and "is_enabled" in given and not destination.is_enabled:
        store.wake(session, destination.id, now)
    for name in given & {"is_enabled", "locale"}:
        setattr(destination, name, getattr(change, name))
    session.flush()
    replaced = sorted(given & _SECRETS)
    reason = f"replaced: {', '.join(replaced)}" if replaced else None
    _record(session, "update", destination, actor=actor, now=now, before=before, reason=reason)
    return destination


def rotate_secret(
    session: Session,
    destination: FileDestination,
    *,
    overlap_s: int,
    keys: Keys,
    actor: Actor,
    now: datetime,
) -> str:
    """Give a webhook a new secret and return it; the old ones sign beside it for ``overlap_s``.

    Raises:
        Invalid: no webhook, a negative overlap, or more than a year.
    """
    if destination.kind != "webhook":
        raise Invalid("only webhooks have a secret of ours", code="secret_not_ours")
    if not 0 <= overlap_s <= OVERLAP_MAX_S:
        raise Invalid("the overlap must be between 0 seconds and a year", code="overlap_invalid")
    until = now + timedelta(seconds=overlap_s)
    address = addressing.unseal(destination.sealed, keys)
    old = tuple(
        SigningSecret(secret=one.secret, expires_at=min(one.expires_at or until, until))
        for one in address.signing
        if one.expires_at is None or one.expires_at > now
    )
    made = SigningSecret(secret=signing.webhook_secret(secrets.token_bytes(32)))
    destination.sealed = addressing.seal(address.model_copy(update={"signing": (made, *old)}), keys)
    session.flush()
    reason = f"overlap {overlap_s} s"
    _record(session, "rotate_secret", destination, actor=actor, now=now, reason=reason)
    return made.secret


def remove(session: Session, destination: FileDestination, *, actor: Actor, now: datetime) -> None:
    """Remove a destination with its secrets and everything that waits for it."""
    journal.record(
        session,
        actor=actor,
        action="destinations.remove",
        subject=("destination", destination.id),
        now=now,
        change=(describe(destination), None),
    )
    store.delete_destination(session, destination)


def describe(destination: FileDestination) -> dict[str, Any]:
    """The destination as JSON, without its secrets."""
    return {
        "name": destination.name,
        "kind": destination.kind,
        "is_enabled": destination.is_enabled,
        "locale": destination.locale,
        "address": shown(destination),
        **destination.details,
    }


def shown(destination: FileDestination) -> str:
    """Where it is, in one line for people."""
    details = destination.details
    if destination.kind == "s3":
        key = "/".join(part for part in (details["bucket"], details["prefix"]) if part)
        host = urlsplit(details["endpoint"]).netloc
        return f"s3://{key}{f' ({host})' if host else ''}"
    if destination.kind == "mail":
        return ", ".join(details["recipients"])
    return str(details["path"] if destination.kind == "directory" else details["host"])


def _kind(destination: FileDestination) -> Kind:
    return next(kind for kind in KINDS if kind == destination.kind)


def _address(known: Address, said: _Destination, names: frozenset[str] | set[str]) -> Address:
    values: dict[str, object] = {}
    for name in names - {"secret"}:
        value = getattr(said, name)
        values[name] = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
    if "recipients" in names:
        values["recipients"] = said.recipients
    return known.model_copy(update=values)


def _details(kind: Kind, address: Address) -> dict[str, Any]:
    if kind == "directory":
        return {"path": address.path}
    if kind == "mail":
        return {"recipients": list(address.recipients)}
    if kind == "webhook":
        return {"host": urlsplit(address.url).netloc}
    return {name: getattr(address, name) for name in ("endpoint", "region", "bucket", "prefix")}


def _checked(secret: SecretStr) -> str:
    return signing.check_webhook_secret(secret.get_secret_value())


def _record(
    session: Session,
    verb: str,
    destination: FileDestination,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"destinations.{verb}",
        subject=("destination", destination.id),
        now=now,
        change=(before, describe(destination)),
        reason=reason,
    )
