"""Messages reach the far side at least once, under one id, however often it or we fall over."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from app.alarms import delivering, sending
from app.alarms.delivering import Courier
from app.alarms.sending import Sender
from app.alerts import backoff, destination_commands, outbox, store
from app.alerts.bots import Verdict
from app.audit.journal import Actor
from app.errors import Conflict, NotFound
from app.outbound import Outbound

from fakes import receiver
from fakes.receiver import Receiver

BY = Actor("tests", "cli")
MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.fixture
def far():
    with Receiver() as server:
        yield server


def test_webhook_gets_its_alert_signed_with_its_secret(office, far):
    secret = office.add(url=f"{far.url}/hook?a=1")
    office.open()
    assert office.deliver() == 1
    (got,) = far.got
    delivery = office.delivery()
    assert (delivery.status, delivery.attempts, delivery.error) == ("delivered", 1, None)
    assert got.path == "/hook?a=1"
    assert got.headers["webhook-id"] == delivery.message_id
    assert got.headers["content-type"].startswith("application/json")
    assert got.json == delivery.payload
    expected = delivering_headers(delivery.message_id, got.body, secret, office.now)
    assert {name: got.headers[name] for name in expected} == expected
    assert office.outcomes == [("webhook", "delivered")]
    assert office.deliver() == 0


def delivering_headers(message_id, body, secret, now):
    epoch_s = int(now.timestamp())
    return sending.signing.webhook_headers(message_id, body, epoch_s=epoch_s, secrets=[secret])


def test_killed_between_sending_and_noting_it_sends_the_same_message_again(office, far):
    office.add(url=far.url)
    office.open()
    send = office.sender

    def die(parcel, now):
        send(parcel, now)
        raise Killed

    office.sender = die
    with pytest.raises(Killed):
        office.deliver()
    office.sender = send
    assert office.deliver() == 0  # nobody knows yet that the one who holds it is gone
    office.now += outbox.LEASE
    assert office.deliver() == 1
    first, second = far.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert office.delivery().attempts == 2


def test_two_workers_send_a_message_once(office, far):
    office.add(url=far.url)
    office.open()
    with office.db.begin() as session:
        taken = outbox.claim(session, lease="one", now=office.now)
        assert outbox.claim(session, lease="two", now=office.now) == []
    assert office.deliver() == 0
    # Who comes back after its lease has ended may not say what became of it any more.
    office.now += outbox.LEASE
    assert office.deliver() == 1
    with office.db.begin() as session:
        late = outbox.mark_failed(
            session, taken[0], "late", wait=MINUTE, lease="one", now=office.now
        )
    assert late is False
    assert office.delivery().status == "delivered"


def test_failed_message_is_tried_for_a_day_and_then_dead(office, far):
    office.add(url=far.url)
    office.open()
    far.answer = lambda _got: (503, {}, b"away")
    began = office.now
    for _ in range(backoff.ATTEMPTS_MAX):
        assert office.deliver() == 1
        assert office.deliver() == 0  # not before it is due again
        office.now = max(office.now, office.delivery().due_at)
    delivery = office.delivery()
    assert (delivery.status, delivery.attempts, delivery.error) == ("dead", 13, "HTTP 503")
    assert office.now - began > timedelta(hours=18)
    assert len({got.headers["webhook-id"] for got in far.got}) == 1
    assert office.outcomes[-2:] == [("webhook", "failed"), ("webhook", "dead")]


def test_dead_message_is_replayed_under_its_id(office, far):
    office.add(url=far.url)
    office.open()
    far.answer = lambda _got: (410, {}, b"gone")  # asks not to be asked again
    office.deliver()
    dead = office.delivery()
    assert dead.status == "dead"
    far.answer = lambda _got: receiver.OK
    with office.db.begin() as session:
        found = store.get_delivery(session, dead.id)
        destination_commands.replay(session, found, actor=BY, now=office.now)
        with pytest.raises(Conflict):
            destination_commands.replay(session, found, actor=BY, now=office.now)
    assert office.deliver() == 1
    assert office.delivery().status == "delivered"
    assert [got.headers["webhook-id"] for got in far.got] == [dead.message_id] * 2


def test_far_side_that_asks_for_time_gets_it(office, far):
    office.add(url=far.url)
    office.open()
    far.answer = lambda _got: (429, {"Retry-After": "900"}, b"")
    office.deliver()
    assert office.delivery().due_at == office.now + timedelta(minutes=15)


def test_private_addresses_and_http_need_leave(office, far):
    office.add(url=far.url)
    office.add("name", url="https://localhost/x")
    office.open()
    call = Outbound(sending.BOUNDS, sending.PERMITTED_BY)
    office.sender = Sender(office.keys, call, office.sender.mail)
    office.deliver()
    private, plain = [one.error for one in office.deliveries()]
    assert "must begin with https://" in plain
    assert "alerts.allow_private_webhooks permits" in private
    assert far.got == []


BOTS = {
    # the path, the secret, and how the far side answers
    "wecom": ("/cgi-bin/webhook/send?key=bot-key", None, receiver.wecom),
    "feishu": ("/open-apis/bot/v2/hook/x", "feishu secret", receiver.feishu),
    "dingtalk": ("/robot/send?access_token=bot%20token", "SECdingtalk", receiver.dingtalk),
}


def test_bots_take_what_they_are_sent(office, far):
    answers = {path: answer for path, _, answer in BOTS.values()}
    # DingTalk's time and signature come behind what was given.
    far.answer = lambda got: next(a for p, a in answers.items() if got.path.startswith(p[:12]))(got)
    for kind, (path, secret, _) in BOTS.items():
        office.add(kind, kind, url=far.url + path, secret=secret, locale="zh")
    office.open("link:3", name="演示")
    assert office.deliver() == len(BOTS)
    assert [(one.status, one.error) for one in office.deliveries()] == [("delivered", None)] * 3
    for got in far.got:
        assert "【警告】演示 已用到限额的 80%（本月）：8 / 10 积分" in got.body.decode()


def test_bot_that_refuses_with_status_200_is_asked_again(office, far):
    far.answer = partial(receiver.feishu, secret="another")
    office.add(kind="feishu", url=far.url, secret="feishu secret")
    office.open()
    office.deliver()
    delivery = office.delivery()
    assert delivery.status == "pending"
    assert delivery.error.startswith("code 19021: sign match fail")


def test_key_of_a_bot_is_in_no_error_and_no_log(office, capsys):
    with Receiver() as gone:
        url = f"{gone.url}/robot/send?access_token=hunter2"
    office.add(kind="dingtalk", url=url, secret="SEC-hunter3")
    office.open()
    office.deliver()
    delivery = office.delivery()
    assert "did not answer" in delivery.error
    assert "alert_not_delivered" in (logged := capsys.readouterr().out)
    assert "hunter" not in delivery.error + logged


def test_bot_gets_a_digest_of_many(office, far):
    path, _, far.answer = BOTS["wecom"]
    office.add(kind="wecom", url=far.url + path, locale="en")
    office.open(*[f"link:{number}" for number in range(30)])
    assert office.deliver() == 1
    text = far.got[0].json["text"]["content"]
    assert text.startswith("shareauth: 30 alert messages\n- [Warning] demo has used 80 %")
    assert text.endswith("… and 10 more: `shareauth alerts list`")


def test_test_message_is_sent_at_once_and_once(office, far):
    office.add(url=far.url, quiet_from="00:00", quiet_until="23:59")
    assert delivering.send_test(office.post, "ops") == Verdict()
    assert far.got[0].json["type"] == "alert.test"
    far.answer = lambda _got: (500, {}, b"")
    assert delivering.send_test(office.post, "ops").error == "HTTP 500"
    assert [one.status for one in office.deliveries()] == ["delivered", "dead"]
    with pytest.raises(NotFound):
        delivering.send_test(office.post, "nobody")


def test_courier_waits_for_nobody_and_tells_of_its_failures(office, far):
    hold, asked = threading.Event(), threading.Event()

    def slow(_got):
        asked.set()
        hold.wait(10)
        return receiver.OK

    far.answer = slow
    office.add(url=far.url)
    office.open()
    courier = Courier(office.post)
    courier.kick()
    assert asked.wait(10)
    courier.kick()  # a round is under way: nothing happens
    hold.set()
    courier._round.result(10)
    assert office.delivery().status == "delivered"
    office.sender = None
    broken = Courier(office.post)
    office.open("link:4")
    broken.kick()
    broken._round.exception(10)
    with pytest.raises(TypeError):
        broken.kick()
    for one in (courier, broken):
        one.close()
