"""Alerts as e-mail, to a real SMTP server."""

from zoneinfo import ZoneInfo

import pytest
from app.alarms.mail import NO_SERVER, Mailer
from app.alarms.sending import Sender
from app.alert_settings import MailSettings
from app.alerts.texts import Text
from pydantic import ValidationError

from fakes.smtp_server import SmtpServer, make_certificate

TEXT = Text("shareauth 【警告】\nBcc: evil@x.example 余额", "第一行\n.\n第二行")
SENDER = "alerts@shareauth.example"
OPS = ["ops@x.example", "boss@x.example"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls") / "mail.pem")


def settings(server, **values):
    return MailSettings(host="127.0.0.1", port=server.port, sender=SENDER, timeout_s=5, **values)


def test_message_arrives_whole_and_says_what_it_is(now):
    with SmtpServer() as server:
        mailer = Mailer(settings(server, security="none"))
        assert mailer("msg_1", TEXT, OPS, now).error is None
    (mail,) = server.got
    assert (mail.sender, mail.recipients) == (SENDER, OPS)
    message = mail.message
    assert message["subject"] == "shareauth 【警告】 Bcc: evil@x.example 余额"
    assert message["bcc"] is None
    assert message["message-id"] == "<msg_1@shareauth.example>"
    assert message["date"].datetime == now
    assert message["auto-submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines()[-3:] == ["第一行", ".", "第二行"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_password_is_only_said_over_tls(certificate, now, security):
    serving, trusting = certificate
    from_start = security == "tls"
    server = SmtpServer(tls=serving, is_tls_from_start=from_start, login="alerts:s3cret")
    account = {"security": security, "username": "alerts"}
    with server:
        right = settings(server, password="s3cret", **account)
        assert Mailer(right, tls=trusting)("m", TEXT, OPS, now).error is None
        wrong = Mailer(settings(server, password="wrong", **account), tls=trusting)
        assert "535" in wrong("m", TEXT, OPS, now).error
        assert "CERTIFICATE" in Mailer(right)("m", TEXT, OPS, now).error.upper()
    (mail,) = server.got
    assert (mail.login, mail.is_encrypted) == ("alerts:s3cret", True)


def test_server_without_starttls_gets_nothing(now):
    with SmtpServer() as server:
        mailer = Mailer(settings(server))
        assert "STARTTLS" in mailer("m", TEXT, OPS, now).error
    assert server.got == []


def test_message_that_one_recipient_took_is_sent(now):
    with SmtpServer(refused={OPS[0]}) as server:
        mailer = Mailer(settings(server, security="none"))
        assert mailer("m", TEXT, OPS, now).error is None
        assert "550" in mailer("m", TEXT, OPS[:1], now).error
    assert [mail.recipients for mail in server.got] == [OPS[1:]]


def test_nobody_listens_and_no_server_are_said(now):
    with SmtpServer() as server:
        gone = settings(server, security="none")
    assert "127.0.0.1" in Mailer(gone)("m", TEXT, OPS, now).error
    assert Mailer(MailSettings())("m", TEXT, OPS, now).error == NO_SERVER


def test_alert_is_written_in_the_language_and_clock_of_its_destination(office):
    with SmtpServer() as server:
        mailer = Mailer(settings(server, security="none"))
        office.sender = Sender(office.keys, office.sender.call, mailer)
        for locale, zone in (("en", "Europe/Berlin"), ("zh", "Asia/Shanghai")):
            office.add(
                locale, "email", recipients=(f"{locale}@x.example",), locale=locale, time_zone=zone
            )
        office.open()
        assert office.deliver() == 2
    mails = {mail.recipients[0][:2]: mail.message for mail in server.got}
    subject = "shareauth [Warning] demo has used 80 % of its points (month): 8 of 10."
    assert mails["en"]["subject"].strip() == subject
    at = office.now.astimezone(ZoneInfo("Europe/Berlin"))
    assert f"Since {at:%Y-%m-%d %H:%M}" in mails["en"].get_content()
    assert "开始于 2026-11-23 12:00" in mails["zh"].get_content()


@pytest.mark.parametrize(
    "values",
    [
        {"host": "x"},
        {"host": "x", "sender": "a@b", "username": "u"},
        {"host": "x", "sender": "a@b\nBcc: c@d"},
        {"host": "x", "sender": "a@b", "security": "ssl"},
    ],
)
def test_half_a_mail_server_is_refused(values):
    with pytest.raises(ValidationError):
        MailSettings(**values)
