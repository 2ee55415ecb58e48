"""What an operator may do to the destinations of alerts, and to single deliveries."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from sqlalchemy.orm import Session

from app.alerts import addressing, signing, store
from app.alerts.addressing import Address, SigningSecret
from app.alerts.conditions import Condition, Severity
from app.alerts.models import Delivery, Destination
from app.audit import journal
from app.audit.journal import Actor
from app.config import Locale, ZoneName
from app.errors import Conflict, Invalid
from app.keys import Keys

Kind = Literal["webhook", "email", "wecom", "feishu", "dingtalk"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIGNED_BOTS: frozenset[Kind] = frozenset({"feishu", "dingtalk"})
OVERLAP_MAX_S = 366 * 86400
_SECRET_BYTES = 32


def _plain(name: str) -> str:
    if name != name.strip() or not name.isprintable():
        raise ValueError("must be printable and not begin or end with a blank")
    return name


def _callable(url: str) -> str:
    parts = urlsplit(url)  # raises ValueError itself, for brackets that hold no address
    if not url.isprintable() or not parts.hostname:
        raise ValueError("must be a whole address")
    return url


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_plain)]
Url = Annotated[
    str, Field(pattern=r"^https?://[^\s@#]+$", max_length=2000), AfterValidator(_callable)
]
Mailbox = Annotated[
    str,
    Field(pattern=r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$", max_length=254),
    AfterValidator(_plain),
]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class _Destination(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    is_enabled: bool = True
    locale: Locale = "zh"
    min_severity: Severity = "info"
    conditions: Annotated[tuple[Condition, ...], Field(max_length=50)] | None = None
    """Only these; None: all."""
    quiet_from: Clock | None = None
    quiet_until: Clock | None = None
    time_zone: ZoneName = "Asia/Shanghai"
    url: Url | None = None
    """Of a webhook or bot. Confidential: a bot's holds its key."""
    recipients: Annotated[tuple[Mailbox, ...], Field(max_length=50)] = ()
    secret: Annotated[SecretStr, Field(max_length=500)] | None = None
    """Of a bot with signatures switched on; of a webhook only to bring one along."""

    @model_validator(mode="after")
    def _quiet_is_a_span(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until: give both or neither")
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValueError("quiet_from and quiet_until must differ")
        return self


class DestinationSpec(_Destination):
    """A whole destination."""

    name: Name
    kind: Kind

    @model_validator(mode="after")
    def _address_fits(self) -> Self:
        if self.kind == "email":
            if not self.recipients or self.url or self.secret:
                raise ValueError("an e-mail destination has recipients, and no url or secret")
        elif self.url is None or self.recipients:
            raise ValueError(f"a {self.kind} destination has a url and no recipients")
        if self.kind == "wecom" and self.secret:
            raise ValueError("WeCom's bots have no secret: their address is one")
        return self


class DestinationChange(_Destination):
    """What to change; only fields that are given change. Address and secret are replaced."""


@dataclass(frozen=True, slots=True)
class AddedDestination:
    destination: Destination
    secret: str | None
    """Of a webhook: what the receiver verifies signatures with. Shown now and never again."""


def add(
    session: Session, spec: DestinationSpec, *, keys: Keys, actor: Actor, now: datetime
) -> AddedDestination:
    """The new destination.

    Raises:
        Conflict: one of that name exists (``destination_exists``).
        Invalid: the secret brought along is none of Standard Webhooks.
    """
    given = None if spec.secret is None else spec.secret.get_secret_value()
    made = None
    if spec.kind == "webhook":
        made = new_secret() if given is None else signing.check_webhook_secret(given)
    address = Address(
        url=spec.url or "",
        recipients=spec.recipients,
        secret=None if spec.kind == "webhook" else given,
        signing=() if made is None else (SigningSecret(secret=made),),
    )
    row = {
        "name": spec.name,
        "kind": spec.kind,
        "shown": _shown(address),
        "sealed": addressing.seal(address, keys),
        "created_at": now,
        **_columns(spec, set(_COLUMNS)),
    }
    if not store.insert_destination_if_new(session, row):
        raise Conflict(
            f"there is a destination named {spec.name!r} already", code="destination_exists"
        )
    destination = store.get_destination(session, spec.name)
    _record(session, "add", destination, actor=actor, now=now)
    return AddedDestination(destination, made)


def update(
    session: Session,
    destination: Destination,
    change: DestinationChange,
    *,
    keys: Keys,
    actor: Actor,
    now: datetime,
) -> Destination:
    """Change a destination; what waits for it goes by the new values.

    Raises:
        Invalid: an address or secret that this kind does not have (``destination_invalid``).
    """
    before = describe(destination)
    given = change.model_fields_set
    if given & {"url", "recipients", "secret"}:
        address = _readdressed(destination, change, keys)
        destination.shown = _shown(address)
        destination.sealed = addressing.seal(address, keys)
    for name, value in _columns(change, given & set(_COLUMNS)).items():
        setattr(destination, name, value)
    session.flush()
    _record(session, "update", destination, actor=actor, now=now, before=before)
    return destination


def rotate_secret(
    session: Session,
    destination: Destination,
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
    made = SigningSecret(secret=new_secret())
    renewed = address.model_copy(update={"signing": (made, *old)})
    destination.sealed = addressing.seal(renewed, keys)
    session.flush()
    reason = f"overlap {overlap_s} s"
    _record(session, "rotate_secret", destination, actor=actor, now=now, reason=reason)
    return made.secret


def remove(session: Session, destination: Destination, *, actor: Actor, now: datetime) -> None:
    """Remove a destination with its secrets and everything that waits for it."""
    before = describe(destination)
    journal.record(
        session,
        actor=actor,
        action="alert_destinations.remove",
        subject=("alert_destination", destination.id),
        now=now,
        change=(before, None),
    )
    store.delete_destination(session, destination)


def replay(session: Session, delivery: Delivery, *, actor: Actor, now: datetime) -> Delivery:
    """Send it again, under the same id, as if it had never been tried.

    Raises:
        Conflict: it waits to be sent anyway (``delivery_pending``).
    """
    if delivery.status == store.PENDING:
        raise Conflict("this delivery waits to be sent anyway", code="delivery_pending")
    before = {"status": delivery.status, "attempts": delivery.attempts}
    delivery.status, delivery.attempts = store.PENDING, 0
    delivery.due_at, delivery.finished_at, delivery.error = now, None, None
    session.flush()
    journal.record(
        session,
        actor=actor,
        action="alert_deliveries.replay",
        subject=("alert_delivery", delivery.id),
        now=now,
        change=(before, {"status": delivery.status, "attempts": 0}),
    )
    return delivery


def new_secret() -> str:
    return signing.webhook_secret(secrets.token_bytes(_SECRET_BYTES))


def describe(destination: Destination) -> dict[str, Any]:
    """The destination as JSON, without its secrets."""
    return {
        "name": destination.name,
        "kind": destination.kind,
        "is_enabled": destination.is_enabled,
        "address": destination.shown,
        "locale": destination.locale,
        "min_severity": destination.min_severity,
        "conditions": destination.conditions,
        "quiet_from": destination.quiet_from,
        "quiet_until": destination.quiet_until,
        "time_zone": destination.time_zone,
    }


_COLUMNS = (
    "is_enabled",
    "locale",
    "min_severity",
    "conditions",
    "quiet_from",
    "quiet_until",
    "time_zone",
)


def _columns(spec: _Destination, names: set[str]) -> dict[str, object]:
    values = {name: getattr(spec, name) for name in _COLUMNS if name in names}
    if values.get("conditions") is not None:
        values["conditions"] = list(values["conditions"])
    return values


def _readdressed(destination: Destination, change: DestinationChange, keys: Keys) -> Address:
    given = change.model_fields_set
    is_mail = destination.kind == "email"
    if (is_mail and given & {"url", "secret"}) or (not is_mail and "recipients" in given):
        raise Invalid("a destination keeps its kind of address", code="destination_invalid")
    if "secret" in given and destination.kind not in SIGNED_BOTS:
        raise Invalid(
            "only Feishu's and DingTalk's secrets are given; a webhook's is rotated",
            code="destination_invalid",
        )
    if ("url" in given and not change.url) or ("recipients" in given and not change.recipients):
        raise Invalid("a destination needs an address", code="destination_invalid")
    address = addressing.unseal(destination.sealed, keys)
    values: dict[str, object] = {}
    if "url" in given:
        values["url"] = change.url
    if "recipients" in given:
        values["recipients"] = change.recipients
    if "secret" in given:
        values["secret"] = None if change.secret is None else change.secret.get_secret_value()
    return address.model_copy(update=values)


def _shown(address: Address) -> str:
    if address.recipients:
        return ", ".join(address.recipients)
    return urlsplit(address.url).netloc


def _record(
    session: Session,
    verb: str,
    destination: Destination,
    *,
    actor: Actor,
    now: datetime,
    before: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    journal.record(
        session,
        actor=actor,
        action=f"alert_destinations.{verb}",
        subject=("alert_destination", destination.id),
        now=now,
        change=(before, describe(destination)),
        reason=reason,
    )
