"""What visitors see of their own, and what they do there."""

import re
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from app.admission.periods import periods_at
from app.codes.commands import Credit
from app.db import DatabaseBusy
from app.limits import VisitorLimits
from app.metering.answers import store as answers
from app.moments import after_day
from app.plans import commands as plan_commands
from app.plans import store as plan_store
from app.plans.commands import PlanSpec
from app.tokens.models import Token
from app.turns.books import Books
from app.visitor import pages, reading

NANO = 1_000_000_000


@pytest.fixture(scope="module")
def asked(portal):
    """A user with 100 who has asked three times, and what the answers were called."""
    limits = VisitorLimits(questions_per_day=10, points_per_month=50, questions_per_minute=60)
    user_id = portal.add_user(name="Alice Chen", limits=limits)
    portal.top_up(user_id, 100 * NANO)
    token = portal.mint(user_id, link_id=portal.link_id)
    models = ("gpt-4o", "gpt-4o", "qwen-max")
    references = [portal.ask(token, model, points=3) for model in models]
    return user_id, references


def test_the_first_page_tells_balance_limits_and_usage(portal, asked):
    user_id, references = asked
    browser = portal.visitor(user_id)
    browser.get("/me")
    text = browser.text()
    assert "91.00 CNY" in text
    assert "7 of 10 left" in text
    assert "41.00 of 50.00 left" in text
    assert re.search(r"gpt-4o 2 answers 6.00 CNY 6.00 points", text)
    assert re.search(r"qwen-max 1 answer 3.00 CNY 3.00 points", text)
    assert all(reference in text for reference in references)
    assert "in " in text.split("Renews")[1][:20]


def test_more_answers_than_are_added_up_are_said_to_be(portal, asked, monkeypatch):
    browser = portal.visitor(asked[0])
    browser.get("/me")
    assert "The last" not in browser.text()
    monkeypatch.setattr(answers, "EVENTS_SUMMED_MAX", 2)
    browser.get("/me")
    assert "The last 2 answers. gpt-4o 1 answer" in browser.text()


def test_nothing_on_the_page_is_somebody_elses(portal, asked):
    user_id, references = asked
    other = portal.add_user(name="Bo Li")
    browser = portal.visitor(other)
    for path in ("/me", "/me/usage", "/me/statement"):
        browser.get(path)
        text = browser.text()
        assert "Alice" not in text
        assert not any(reference in text for reference in references)
    with portal.house.db.read() as session:
        page = answers.list_page(session, user_id, after=None, limit=1)
    assert "gpt-4o" not in browser.get(f"/me/usage?cursor={reading.place_text(page[0])}")
    code = portal.code()
    theirs = portal.visitor(portal.add_user())
    theirs.get("/me")
    theirs.post("/me/redeem", code=code)
    redeemed = theirs.last.request.args["redeemed"]
    assert "were added" in theirs.text()
    assert "were added" not in browser.get(f"/me?redeemed={redeemed}")


def test_answers_are_turned_page_by_page(portal, asked, monkeypatch):
    user_id, references = asked
    monkeypatch.setattr(reading, "PAGE_ROWS", 2)
    browser = portal.visitor(user_id)
    body = browser.get("/me/usage")
    following = re.search(r'rel="next" href="([^"]+)"', body)[1]
    seen = re.findall(r"<code>(\w+)</code>", body)
    last = browser.get(following.replace("&amp;", "&"))
    seen += re.findall(r"<code>(\w+)</code>", last)
    assert seen == references[::-1]
    assert 'rel="next"' not in last


@pytest.mark.parametrize(
    "query",
    [
        "usage?cursor=x",
        "usage?cursor=2026-01-01T00:00:00~1",
        "usage?cursor=0001-01-01T00:00:00%2B23:00~1",
        "usage?cursor=2026-01-01T00:00:00%2B00:00~99999999999999999999",
        "statement?month=x",
        "statement?month=0001-01",
        "statement?month=9999-12",
        "statement?month=2020-01",
        "statement?before=99999999999999999999999",
        "statement?before=-1",
        "?redeemed=99999999999999999999",
        "?redeemed=x",
        "?lang=xx",
    ],
)
def test_senseless_addresses_do_no_harm(portal, asked, query):
    portal.visitor(asked[0]).get(f"/me/{query}")


def test_the_plans_credit_is_there_before_the_first_question(portal):
    spec = PlanSpec(name="monthly", monthly_credit=6)
    portal.do(plan_commands.create, spec)
    with portal.house.db.read() as session:
        plan_id = plan_store.find_by_name(session, "monthly").id
    user_id = portal.add_user(plan_id=plan_id)
    browser = portal.visitor(user_id)
    ends_at = periods_at(portal.house.now, portal.house.settings.zone).month.ends_at
    last = (ends_at - timedelta(hours=12)).date()
    said = f"6.00 of it were given to you, good until and including {last}"
    for _ in range(2):
        browser.get("/me")
        assert said in browser.text()
        assert browser.text().count("were given to you") == 1
    assert portal.hook("start", portal.mint(user_id), question="?")["success"]


def test_a_busy_database_gives_no_credit_and_shows_the_page(portal, monkeypatch):
    def busy(*_):
        raise DatabaseBusy("others are in the way")

    monkeypatch.setattr(Books, "give_monthly", busy)
    assert "0.00" in portal.visitor(portal.add_user()).get("/me")


def test_a_code_may_give_credit_that_expires(portal):
    credit = Credit(expires_at=after_day(date(2099, 12, 31), portal.house.settings.zone))
    user_id, code = portal.add_user(), portal.code(credit=credit)
    browser = portal.visitor(user_id)
    for _ in range(2):
        browser.get("/me")
        browser.post("/me/redeem", code=code)
        assert "20.00 CNY were added to your balance" in browser.text()
        said = "20.00 of it were given to you, good until and including 2099-12-31 · code 1 of"
        assert browser.text().count(said) == 1


def test_the_statement_adds_up(portal):
    user_id = portal.add_user()
    portal.top_up(user_id, 10 * NANO)
    portal.ask(portal.mint(user_id), points=4)
    browser = portal.visitor(user_id)
    browser.get("/me/statement")
    text = browser.text()
    assert "At the beginning 0.00 CNY" in text
    assert "At the end 6.00 CNY" in text
    assert "-4.00 CNY Balance 6.00" in text
    assert "tests" not in text  # reasons are notes among operators


def test_a_code_is_redeemed_once_and_the_gate_hears_of_it(portal):
    user_id, code = portal.add_user(), portal.code()
    browser = portal.visitor(user_id)
    browser.get("/me")
    browser.post("/me/redeem", code=code)
    assert "20.00 CNY were added" in browser.text()
    assert portal.house.runtime.gate.snapshot(user_id, 0).balance == 20 * NANO
    browser.post("/me/redeem", code=code.lower())
    assert portal.house.runtime.gate.snapshot(user_id, 0).balance == 20 * NANO
    other = portal.visitor(portal.add_user())
    other.get("/me")
    body = other.post("/me/redeem", code=code, status=404)
    assert "used already" in other.text()
    assert f'value="{code}"' in body
    other.post("/me/redeem", code="junk", status=422)
    assert "mistyped" in other.text()


def test_guessing_codes_is_slowed_down(portal):
    browser = portal.visitor(portal.add_user())
    taken = portal.code()
    owner = portal.visitor(portal.add_user())
    owner.get("/me")
    owner.post("/me/redeem", code=taken)
    browser.get("/me")
    for _ in range(10):
        browser.post("/me/redeem", code=taken, status=404)
    browser.post("/me/redeem", code=portal.code(), status=429)
    assert "Try again in" in browser.text()


def test_a_chat_opens_with_a_fresh_token_for_that_link_alone(portal):
    user_id = portal.add_user()
    browser = portal.visitor(user_id)
    browser.get("/me")
    policy = browser.last.headers["Content-Security-Policy"]
    assert "form-action 'self' https://fastgpt.example;" in policy
    sent = browser.client.post(
        f"/me/links/{portal.link_id}/open", data={"csrf_token": browser.csrf}
    )
    assert sent.status_code == 303
    parts = urlsplit(sent.location)
    assert (parts.netloc, parse_qs(parts.query)["shareId"]) == ("fastgpt.example", ["abc123"])
    token = parse_qs(parts.query)["authToken"][0]
    assert portal.hook("init", token)["success"]
    with portal.house.db.read() as session:
        row = session.get(Token, session.query(Token.id).order_by(Token.id.desc()).first()[0])
    assert (row.user_id, row.link_id, row.label) == (user_id, portal.link_id, "visitor page")
    assert (row.expires_at - row.created_at).total_seconds() == pages.TOKEN_LASTS_S
    again = browser.client.post(
        f"/me/links/{portal.link_id}/open", data={"csrf_token": browser.csrf}
    )
    assert again.location != sent.location


def offered(browser, among):
    """The ids of links that the page offers, of those that are asked for."""
    found = re.findall(r"/me/links/(\d+)/open", browser.get("/me"))
    return {int(one) for one in found} & among


def test_only_links_that_the_visitor_could_open_are_offered(portal):
    share = "https://fastgpt.example/chat/share?shareId=x"
    ids = {
        "hidden": portal.make_link("no address")[0],
        "guests": portal.make_link("portal only", share_url=share, issuers=("portal",))[0],
        "ours": portal.make_link("ours only", share_url=share, issuers=("local",))[0],
        "both": portal.make_link("both", share_url=share, issuers=("local", "portal"))[0],
    }
    everyone = {portal.link_id, portal.other_id, ids["both"]}
    known = {*ids.values(), *everyone}
    user_id = portal.add_user()
    minted = portal.visitor(user_id)
    assert offered(minted, known) == everyone | {ids["ours"]}
    foreign = portal.stranger()
    foreign.get(f"/me?token={portal.jwt('emp-9')}")
    assert offered(foreign, known) == everyone
    bound = portal.stranger()
    bound.get(f"/me?token={portal.mint(user_id, link_id=portal.link_id)}")
    assert offered(bound, known) == {portal.link_id}
    for browser, link_id in (
        (minted, ids["hidden"]),
        (minted, ids["guests"]),
        (foreign, ids["ours"]),
        (bound, portal.other_id),
        (minted, 2**63 - 1),
        (minted, 2**63),
    ):
        browser.get("/me")
        browser.post(f"/me/links/{link_id}/open", status=404)


def test_opening_chats_has_a_pace(portal):
    browser = portal.visitor(portal.add_user())
    browser.get("/me")
    form = {"csrf_token": browser.csrf}
    path = f"/me/links/{portal.link_id}/open"
    said = [browser.client.post(path, data=form).status_code for _ in range(21)]
    assert said == [303] * 20 + [429]


def test_refusals_are_told_again_with_their_reference(portal):
    user_id = portal.add_user(limits=VisitorLimits(questions_per_day=0))
    refusal = portal.hook("start", portal.mint(user_id), question="?")
    assert refusal["code"] == "visitor_day_questions"
    portal.house.runtime.lookout.flush()
    browser = portal.visitor(user_id)
    browser.get("/me")
    assert refusal["reference"] in browser.text()
    assert "today's questions" in browser.text()


def test_limits_of_a_link_of_its_own_stand_beside_it(portal):
    share = "https://fastgpt.example/chat/share?shareId=y"
    portal.make_link("strict", share_url=share, visitor_limits=VisitorLimits(questions_per_day=3))
    browser = portal.visitor(portal.add_user())
    browser.get("/me")
    assert re.search(r"strict Limits of this chat Questions today 3 of 3 left", browser.text())


def test_the_page_is_strict_and_loads_nothing_from_elsewhere(portal, asked):
    browser = portal.visitor(asked[0])
    for path in ("/me", "/me/usage", "/me/statement"):
        body = browser.get(path)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', body)
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", body)
        forms = re.findall(r'(?s)<form method="post".*?</form>', body)
        assert all('name="csrf_token"' in form for form in forms)
        assert browser.last.headers["Referrer-Policy"] == "no-referrer"
