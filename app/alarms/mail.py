"""Sends alerts and letters as e-mail, by the server of ``[mail]``."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from app.alert_settings import MailSettings
from app.alerts.bots import Verdict
from app.alerts.texts import Text

_SUBJECT_MAX = 200
NO_SERVER = "no mail server is set up: [mail] of the settings"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter; ``name`` is plain ASCII."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Mailer:
    settings: MailSettings
    tls: ssl.SSLContext | None = None
    """None: the system's certificate authorities."""

    def __call__(
        self, message_id: str, text: Text, recipients: Sequence[str], now: datetime
    ) -> Verdict:
        """Send one message to all recipients.

        Taken by one of them it counts as sent: trying again would send it twice to that one.
        """
        message = self._message(message_id, (text.title, text.whole), recipients, now)
        return self.post(message, recipients)

    def letter(
        self,
        message_id: str,
        recipient: str,
        said: tuple[str, str],
        attachments: Sequence[Attachment],
        now: datetime,
    ) -> str | None:
        """Send a letter of a subject and a text, with files; what went wrong, or None."""
        message = self._message(message_id, said, [recipient], now)
        for file in attachments:
            main, _, sub = file.media_type.partition(";")[0].partition("/")
            message.add_attachment(file.body, maintype=main, subtype=sub, filename=file.name)
        return self.post(message, [recipient]).error

    def _message(
        self, message_id: str, said: tuple[str, str], recipients: Sequence[str], now: datetime
    ) -> EmailMessage:
        subject, text = said
        message = EmailMessage(policy=SMTP)
        message["Subject"] = " ".join(subject.split())[:_SUBJECT_MAX]
        message["From"] = self.settings.sender or ""
        message["To"] = ", ".join(recipients)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{message_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    @property
    def _domain(self) -> str:
        return (self.settings.sender or "").rpartition("@")[2]

    def post(self, message: EmailMessage, recipients: Sequence[str]) -> Verdict:
        """Send a message that somebody else has written."""
        host, sender = self.settings.host, self.settings.sender
        if host is None or sender is None:
            return Verdict(NO_SERVER)
        try:
            with self._connect(host, self._domain) as server:
                server.send_message(message, from_addr=sender, to_addrs=list(recipients))
        except (smtplib.SMTPException, OSError) as error:
            return Verdict(f"{host}: {error}")
        return Verdict()

    def _connect(self, host: str, domain: str) -> smtplib.SMTP:
        settings = self.settings
        context = self.tls or ssl.create_default_context()
        # Its own idea of this machine's name may take a long time to find out.
        if settings.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, settings.port, domain, timeout=settings.timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(host, settings.port, domain, timeout=settings.timeout_s)
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.username is not None and settings.password is not None:
                server.login(settings.username, settings.password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server
