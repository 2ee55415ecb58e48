"""Sends one message to where it belongs, each kind by its own protocol. No database here."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from app import __version__
from app.alarms.mail import Mailer
from app.alerts import addressing, bots, signing, texts
from app.alerts.addressing import Address
from app.alerts.bots import Bot, Verdict
from app.alerts.outbox import BOTS, Parcel
from app.alerts.texts import Text
from app.config import Settings
from app.errors import ServiceError
from app.keys import Keys
from app.outbound import Answer, Bounds, Outbound, Request

BOUNDS = Bounds(bytes_max=64 * 1024, connect_s=3, read_s=7, total_s=10)
PERMITTED_BY = "alerts.allow_private_webhooks"
_JSON = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": f"shareauth/{__version__}",
}
_GONE = 410

Send = Callable[[Parcel, datetime], Verdict]
Mail = Callable[[str, Text, Sequence[str], datetime], Verdict]


@dataclass(frozen=True, slots=True)
class Sender:
    keys: Keys
    call: Callable[[Request], Answer]
    mail: Mail

    def __call__(self, parcel: Parcel, now: datetime) -> Verdict:
        """Send it; whatever goes wrong is in the verdict."""
        try:
            address = addressing.unseal(parcel.sealed, self.keys)
            if parcel.kind == "webhook":
                return self._webhook(parcel, address, now)
            text = texts.render(parcel.payload, parcel.locale, parcel.zone)
            if parcel.kind in BOTS:
                return self._bot(cast("Bot", parcel.kind), address, text, now)
            return self.mail(parcel.message_id, text, address.recipients, now)
        except ServiceError as error:
            return Verdict(error.message)

    def _webhook(self, parcel: Parcel, address: Address, now: datetime) -> Verdict:
        body = _json(parcel.payload)
        signed = signing.webhook_headers(
            parcel.message_id,
            body,
            epoch_s=int(now.timestamp()),
            secrets=address.live_secrets(now),
        )
        answer = self.call(Request("POST", address.url, {**_JSON, **signed}, body))
        if 200 <= answer.status < 300:  # noqa: PLR2004 - the statuses of success
            return Verdict()
        return Verdict(
            f"HTTP {answer.status}",
            wait_s=_retry_after(answer),
            is_final=answer.status == _GONE,
        )

    def _bot(self, bot: Bot, address: Address, text: Text, now: datetime) -> Verdict:
        url, message = bots.message(
            bot,
            address.url,
            text.whole,
            secret=address.secret,
            epoch_ms=int(now.timestamp() * 1000),
        )
        answer = self.call(Request("POST", url, _JSON, _json(message)))
        return bots.verdict(bot, answer.status, answer.body)


def build(settings: Settings, keys: Keys) -> Sender:
    """The sender of the service's settings."""
    call = Outbound(
        BOUNDS,
        permitted_by=PERMITTED_BY,
        allow_private=settings.alerts.allow_private_webhooks,
    )
    return Sender(keys, call, Mailer(settings.mail))


def _json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _retry_after(answer: Answer) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else 0
