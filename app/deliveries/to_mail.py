"""Delivers as mail, by the server of ``[mail]``: files attached, or where they lie."""

import mimetypes
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from app.alarms.mail import NO_SERVER, Mailer
from app.deliveries.address import Address
from app.deliveries.carrying import Consignment, NotTaken

_SUBJECT_MAX = 200
_TEXTS = {
    "zh": (
        "文件太大，没有附上（{size} MB）。它们在发送方的机器上：",
        "投递 {key}",
        "shareauth 测试邮件",
        "文件可以送到这里。",
    ),
    "en": (
        "The files are too large to attach ({size} MB). They lie on the sender's machine:",
        "Delivery {key}",
        "shareauth: a test",
        "Files can be sent here.",
    ),
}


@dataclass(frozen=True, slots=True)
class ToMail:
    mailer: Mailer
    attachment_bytes_max: int

    def carry(self, sent: Consignment) -> str:
        too_large, delivery, _, _ = _TEXTS[sent.locale]
        message = self._message(sent.key, sent.subject, sent.address, sent.now)
        is_attached = sent.size <= self.attachment_bytes_max
        lines = [sent.summary] if sent.summary else []
        if not is_attached:
            size = f"{sent.size / 1024 / 1024:.1f}"
            lines += [too_large.format(size=size), *(str(one.path) for one in sent.files)]
        lines += [f"{one.name}  sha256 {one.sha256}" for one in sent.files]
        message.set_content("\n".join([*lines, "", delivery.format(key=sent.key)]))
        if sent.summary_html:
            message.add_alternative(sent.summary_html, subtype="html")
        if is_attached:
            for one in sent.files:
                kind = one.media_type.partition(";")[0]
                main, _, sub = (kind or mimetypes.types_map[".bin"]).partition("/")
                content = b"".join(sent.chunks(one))
                message.add_attachment(content, maintype=main, subtype=sub, filename=one.name)
        message.add_attachment(
            sent.manifest_bytes,
            maintype="application",
            subtype="json",
            filename=sent.manifest_name,
        )
        self._send(message, sent.address)
        return ", ".join(sent.address.recipients)

    def probe(self, address: Address, now: datetime) -> str:
        _, _, subject, text = _TEXTS["en"]
        message = self._message(f"test-{int(now.timestamp())}", subject, address, now)
        message.set_content(text)
        self._send(message, address)
        return f"A test mail was taken for {', '.join(address.recipients)}."

    def _message(self, key: str, subject: str, address: Address, now: datetime) -> EmailMessage:
        sender = self.mailer.settings.sender
        if sender is None or self.mailer.settings.host is None:
            raise NotTaken(NO_SERVER)
        message = EmailMessage(policy=SMTP)
        message["Subject"] = " ".join(subject.split())[:_SUBJECT_MAX]
        message["From"] = sender
        message["To"] = ", ".join(address.recipients)
        message["Date"] = format_datetime(now)
        # The same at every attempt: most mail programs show two of one id once.
        message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        return message

    def _send(self, message: EmailMessage, address: Address) -> None:
        verdict = self.mailer.post(message, address.recipients)
        if verdict.error is not None:
            raise NotTaken(verdict.error)
