"""Questions are admitted or refused for a stated reason, by all workers as by one."""

import time
from datetime import UTC, datetime

import jwt
import pytest
from app.limits import LinkLimits, VisitorLimits
from app.plans.commands import PlanSpec
from app.tokens import commands as token_commands
from app.tokens import issuer_commands
from app.tokens import store as token_store
from app.tokens.issuers import IssuerSpec
from app.users import commands as user_commands
from app.users import store as user_store

from running_service import ACTOR, at_once

SECRET = "a shared secret of thirty-two bytes or more"


def test_exactly_five_of_a_hundred_are_admitted(service):
    plan = PlanSpec(name=f"five-{time.time_ns()}", limits=VisitorLimits(open_questions=5))
    link, token = service.add_link(locale="en"), service.add_visitor(plan=plan)
    answers = at_once(100, lambda _: link.start(token))
    assert sorted({a["code"] for a in answers}) == ["ok", "visitor_open"]
    assert sum(a["success"] for a in answers) == 5
    assert "5 of your questions" in next(a["message"] for a in answers if not a["success"])


def test_a_finish_frees_the_slot_it_filled(service):
    plan = PlanSpec(name=f"one-{time.time_ns()}", limits=VisitorLimits(open_questions=1))
    link, token = service.add_link(), service.add_visitor(plan=plan)
    assert link.start(token)["success"] is True
    assert link.start(token)["code"] == "visitor_open"
    assert link.finish(token, [{"id": "x", "totalPoints": 1}])["success"] is True
    assert link.start(token)["success"] is True


def test_the_same_finish_fifty_times_at_once_is_one_charge(service):
    link, (subject, token) = service.add_link(), service.add_user(credit=10)
    node = {"id": "one", "moduleType": "chatNode", "totalPoints": 3, "runningTime": 1.5}
    answers = at_once(50, lambda _: link.finish(token, [node], chatId="c"))
    assert all(a["success"] for a in answers)
    assert charges(service, subject) == [-3 * 10**9]


def test_parallel_finishes_of_one_visitor_are_all_charged(service):
    link, (subject, token) = service.add_link(), service.add_user(credit=100)
    answers = at_once(40, lambda n: link.finish(token, [{"id": f"n{n}", "totalPoints": 1}]))
    assert all(a["success"] for a in answers)
    assert charges(service, subject) == [-(10**9)] * 40


def test_an_empty_wallet_is_refused_in_the_links_language(service):
    token = service.add_visitor(credit=0)
    english, chinese = service.add_link(locale="en"), service.add_link(locale="zh")
    answer = english.start(token)
    assert (answer["success"], answer["code"]) == (False, "balance_too_low")
    assert answer["message"].startswith("Your balance (0) is used up")
    assert chinese.start(token)["message"].startswith("余额不足")
    assert english.init(token)["success"] is True


def test_a_spent_balance_refuses_the_next_question(service):
    link, token = service.add_link(), service.add_visitor(credit=1)
    assert link.start(token)["success"] is True
    assert link.finish(token, [{"id": "a", "totalPoints": 1}])["success"] is True
    assert link.start(token)["code"] == "balance_too_low"


def test_the_plans_monthly_credit_pays_from_the_first_question_on(service):
    plan = PlanSpec(name=f"monthly-{time.time_ns()}", monthly_credit=2)
    link, (subject, token) = service.add_link(), service.add_user(credit=0, plan=plan)
    assert link.start(token)["success"] is True
    assert link.finish(token, [{"id": "a", "totalPoints": 2}])["success"] is True
    assert link.start(token)["code"] == "balance_too_low"
    assert charges(service, subject) == [-2 * 10**9]


def test_a_fast_visitor_is_told_how_long_to_wait(service):
    limits = VisitorLimits(questions_per_minute=2, burst=2)
    plan = PlanSpec(name=f"slow-{time.time_ns()}", limits=limits)
    link, token = service.add_link(locale="en"), service.add_visitor(plan=plan)
    assert [link.start(token)["code"] for _ in range(3)] == ["ok", "ok", "visitor_rate"]
    refusal = link.start(token)
    assert 1 <= refusal["retry_after_s"] <= 30
    assert "Please wait" in refusal["message"]


def test_init_is_free_of_every_limit(service):
    limits = VisitorLimits(questions_per_minute=1, questions_per_day=1, open_questions=1)
    plan = PlanSpec(name=f"tight-{time.time_ns()}", limits=limits)
    link, token = service.add_link(), service.add_visitor(plan=plan, credit=0)
    assert all(link.init(token)["success"] for _ in range(60))


def test_a_links_own_quota_is_for_all_its_visitors(service):
    link = service.add_link(limits=LinkLimits(points_total=3))
    tokens = [service.add_visitor() for _ in range(2)]
    for token in tokens:
        assert link.start(token)["success"] is True
        assert link.finish(token, [{"id": token, "totalPoints": 2}])["success"] is True
    assert link.start(tokens[0])["code"] == "link_total_points"


def test_guests_come_in_only_where_the_link_lets_them(service):
    closed, open_ = service.add_link(), service.add_link(allows_guests=True)
    guest = "shareChat-1754557200000-abcdefghijklmnopqrstuvwx"
    assert closed.init(guest)["code"] == "guests_refused"
    uid = open_.init(guest)["data"]["uid"]
    assert open_.start(guest)["data"]["uid"] == uid
    assert open_.finish(guest, [{"id": "g", "totalPoints": 1}])["data"]["uid"] == uid


def test_suspension_and_revocation_take_effect_at_once_on_every_worker(service):
    link = service.add_link()
    (subject, token), (_, other) = service.add_user(), service.add_user()
    for visitor in (token, other):
        assert all(a["success"] for a in at_once(24, lambda _, v=visitor: link.init(v)))
    desk = service.desk()
    with desk.change() as session:
        issuer = token_store.get_issuer(session, "local")
        user = user_store.find(session, issuer.id, subject)
        user_commands.set_suspended(session, user, suspended=True, actor=ACTOR, now=desk.now)
    with desk.change() as session:
        token_commands.revoke_text(session, other, keys=desk.keys, actor=ACTOR, now=desk.now)
    desk.close()
    assert {a["code"] for a in at_once(24, lambda _: link.init(token))} == {"user_suspended"}
    assert {a["code"] for a in at_once(24, lambda _: link.start(token))} == {"user_suspended"}
    assert {a["code"] for a in at_once(24, lambda _: link.init(other))} == {"token_revoked"}
    assert link.finish(token, [{"id": "late", "totalPoints": 1}])["success"] is True
    assert charges(service, subject) == [-(10**9)]


@pytest.fixture
def issuer(service):
    name = f"shop-{time.time_ns()}"
    desk = service.desk()
    with desk.change() as session:
        spec = IssuerSpec(name=name, algorithms=["HS256"], secrets=[SECRET], leeway_s=0)
        issuer_commands.create_issuer(session, spec, keys=desk.keys, actor=ACTOR, now=desk.now)
    desk.close()
    return name


def signed(issuer: str, subject: str, *, lasts_s: float) -> str:
    now = datetime.now(UTC).timestamp()
    claims = {"iss": issuer, "sub": subject, "iat": int(now), "exp": int(now + lasts_s)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def test_a_token_that_expires_during_the_chat_is_charged(service, issuer):
    link = service.add_link()
    subject = f"员工/{time.time_ns()}|\\"
    token = signed(issuer, subject, lasts_s=2)
    assert link.init(token)["success"] is True
    time.sleep(2.5)
    assert link.init(token)["success"] is True, "the session carries the visitor on"
    assert link.finish(token, [{"id": "late", "totalPoints": 1.5}])["success"] is True
    assert charges(service, subject) == [-1_500_000_000]


def test_a_token_that_was_expired_from_the_start_opens_nothing_but_is_billed(service, issuer):
    link = service.add_link()
    subject = f"late-{time.time_ns()}"
    token = signed(issuer, subject, lasts_s=-5)
    assert link.init(token)["code"] == "token_expired"
    assert link.start(token)["code"] == "token_expired"
    assert link.finish(token, [{"id": "late", "totalPoints": 1}])["success"] is True
    assert charges(service, subject) == [-(10**9)]


def charges(service, subject: str) -> list[int]:
    rows = service.rows(
        "SELECT t.amount FROM ledger_transactions t JOIN ledger_accounts a ON a.id = t.wallet_id"
        " JOIN users u ON u.id = a.user_id WHERE u.subject = :subject AND t.kind = 'charge'",
        subject=subject,
    )
    return [row.amount for row in rows]
