"""Users, wallets and the ledger by the JSON API."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from app.admission.gate import Ask, Seeds
from app.audit.models import AuditEntry
from app.ledger.transactions import Entry
from app.ledger.writer import lock_wallet, post
from app.limits import LinkLimits, VisitorLimits
from app.statements.verification import verify
from app.tokens import commands as token_commands
from app.tokens import sessions as token_sessions
from app.tokens.commands import MintSpec
from app.users.models import User

from admin_builders import ACTOR
from books import NANO, make_event, make_link

READS = ("users:read", "wallets:read", "usage:read", "ledger:read", "plans:read")
ALL = (*READS, "users:write", "users:erase", "wallets:write", "ledger:verify", "audit:read")


@pytest.fixture(scope="module")
def program(house):
    return house.program(*ALL)


@pytest.fixture(scope="module")
def link_id(house):
    with house.db.begin() as session:
        return make_link(session, house.now)


@pytest.fixture
def add(program, request):
    def added(name="ann", **said):
        subject = f"{name}-{request.node.name}"[:100]
        return program.post("/users", {"subject": subject, "name": name.title(), **said})

    return added


def key(text):
    return {"headers": {"Idempotency-Key": text}}


def charge(house, user_id, link_id, reference, amount, *, at=None):
    """One answer of the user's, charged ``amount`` units."""
    at = at or house.now
    with house.db.begin() as session:
        event_id = make_event(
            session,
            key=reference,
            user_id=user_id,
            link_id=link_id,
            now=at,
            charge=amount * NANO,
            lines=(("GPT-5", 2 * NANO),),
        )
        wallet = lock_wallet(session, user_id, currency="CNY", now=at)
        entry = Entry(
            "charge", -amount * NANO, "revenue", f"finish:{reference}", "fastgpt", event_id=event_id
        )
        post(session, wallet, entry, now=at)


def test_users_are_found_by_what_is_known_of_them(program, add):
    ann, bob = add("ann", plan="guest"), add("bob")
    assert (
        program.get(f"/users?subject={ann['subject']}&issuer=local")["items"][0]["id"] == ann["id"]
    )
    for text in (bob["subject"][1:].upper(), bob["uid"][:12], "Bob"):
        assert bob["id"] in {one["id"] for one in program.get(f"/users?q={text}")["items"]}, text
    assert program.get("/users?q=%25ann%25")["items"] == []  # no pattern of the caller's
    guests = program.get("/users?plan=guest&issuer=local")["items"]
    assert [one["id"] for one in guests] == [ann["id"]]
    first = program.get("/users?limit=1")
    second = program.get(f"/users?limit=1&cursor={first['next']}")
    assert first["items"][0]["id"] > second["items"][0]["id"]


def test_a_change_of_what_somebody_else_has_changed_is_refused(program, add):
    user = add()
    path = f"/users/{user['id']}"
    program.get(path)
    read = {"If-Match": program.last.headers["ETag"]}
    assert program.patch(path, {"name": "Anna"}, headers=read)["name"] == "Anna"
    program.patch(path, {"name": "Anne"}, status=412, headers=read)
    assert program.get(path)["name"] == "Anna"


def test_a_top_up_that_is_sent_twice_moves_money_once(house, program, add):
    user = add()
    path = f"/users/{user['id']}"
    body = {"amount": "12.5", "reason": "order 4711"}
    first = program.post(f"{path}/top-ups", body, **key("t-1"))
    again = program.post(f"{path}/top-ups", body, **key("t-1"))
    assert (first["balance"], first["is_replay"]) == ("12.5", False)
    assert (again["balance"], again["is_replay"]) == ("12.5", True)
    assert again["transaction"] == first["transaction"]
    program.post(f"{path}/top-ups", {**body, "amount": "13"}, status=409, **key("t-1"))
    program.post(f"{path}/top-ups", body, status=422)
    assert program.get(f"{path}/wallet")["balance"] == "12.5"
    assert house.runtime.gate.snapshot(user["id"], 0).balance == 12_500_000_000


def test_a_balance_falls_below_zero_only_with_leave(program, add):
    path = f"/users/{add()['id']}"
    body = {"amount": "-3", "reason": "counted twice"}
    told = program.post(f"{path}/adjustments", body, status=409, **key("n-1"))
    assert told["code"] == "balance_would_be_negative"
    done = program.post(f"{path}/adjustments", {**body, "allow_negative": True}, **key("n-2"))
    assert done["balance"] == "-3"
    undone = program.post(
        f"/transactions/{done['transaction']}/reversal", {"reason": "was right"}, **key("n-3")
    )
    assert undone["balance"] == "0"
    whole = program.get(f"/transactions/{done['transaction']}")
    assert whole["reversed_by"] == undone["transaction"]
    assert sum(Decimal(one["amount"]) for one in whole["postings"]) == 0


def test_a_statement_leads_from_its_opening_to_its_closing_balance(house, program, add, link_id):
    user = add()
    path = f"/users/{user['id']}"
    charge(house, user["id"], link_id, "old", 4, at=datetime(2020, 5, 31, 12, tzinfo=UTC))
    charge(house, user["id"], link_id, "june", 5, at=datetime(2020, 6, 1, tzinfo=UTC))
    program.post(f"{path}/top-ups", {"amount": "20", "reason": "paid"}, **key("s-1"))
    program.post(f"{path}/refunds", {"amount": "1", "reason": "broken"}, **key("s-2"))
    june = "since=2020-06-01T00:00:00Z&until=2020-07-01T00:00:00Z"
    old = program.get(f"{path}/statement?{june}")
    assert (old["opening"], old["closing"]) == ("-4", "-9")
    (entry,) = old["items"]
    assert (entry["reference"], entry["models"], entry["points"]) == ("june", ["GPT-5"], "2")
    ever = program.get(f"{path}/statement?since=1990-01-01T00:00:00Z&limit=3")
    rest = program.get(f"{path}/statement?since=1990-01-01T00:00:00Z&cursor={ever['next']}")
    entries = [*ever["items"], *rest["items"]]
    assert len(entries) == 4
    moved = sum(Decimal(one["amount"]) for one in entries)
    assert moved == sum(Decimal(one["amount"]) for one in ever["sums"])
    assert Decimal(ever["opening"]) + moved == Decimal(ever["closing"])
    assert ever["closing"] == program.get(f"{path}/wallet")["balance"] == "12"


def test_limits_say_where_they_come_from_and_count_what_is_open(house, program, add, link_id):
    user = add(limits={"questions_per_day": 5})
    program.post(f"/users/{user['id']}/top-ups", {"amount": "9", "reason": "x"}, **key("l-1"))
    with house.db.read() as session:
        plan_id = session.get(User, user["id"]).plan_id
    ask = Ask(
        ticket="open-one",
        user_id=user["id"],
        link_id=link_id,
        plan_id=plan_id,
        is_guest=False,
        visitor=VisitorLimits(questions_per_day=5),
        link=LinkLimits(),
        guests=None,
        credit_limit=0,
        is_free=False,
        revision=10**9,
        now=house.now,
    )
    seeds = Seeds(1, 9 * NANO, 0, 0, 0, 0, 0, 0, 0)
    house.runtime.gate.admit(ask, lambda _: seeds)
    told = program.get(f"/users/{user['id']}/limits?link_id={link_id}")
    limits = {one["name"]: one for one in told["own"]}
    daily = limits["questions_per_day"]
    assert (daily["value"], daily["source"], daily["used"], daily["left"]) == (
        "5",
        "user",
        "1",
        "4",
    )
    assert datetime.fromisoformat(daily["renews_at"]) > house.now
    assert limits["open_questions"]["used"] == "1"
    assert limits["points_per_month"]["source"] in {None, "plan"}
    wallet = program.get(f"/users/{user['id']}/wallet")
    assert Decimal(wallet["held"]) > 0
    assert Decimal(wallet["spendable"]) == 9 - Decimal(wallet["held"])
    body = {"subject": user["subject"], "reason": "asked for it"}
    told = program.post(f"/users/{user['id']}/erasure", body, status=409)
    assert told["code"] == "questions_open"


def test_erasing_leaves_nothing_of_the_person_and_sound_books(house, program, add, link_id):
    user = add("zoe")
    path = f"/users/{user['id']}"
    program.patch(path, {"name": "Zoe Unmistakable"})
    program.post(f"{path}/top-ups", {"amount": "7", "reason": "order 1"}, **key("e-1"))
    charge(house, user["id"], link_id, "e-event", 2)
    with house.db.begin() as session:
        session.get(User, user["id"]).attributes = {"class": "Unmistakable 7b"}
        spec = MintSpec(user_id=user["id"], label="Unmistakable's phone")
        minted = token_commands.mint(
            session, spec, keys=house.runtime.keys, actor=ACTOR, now=house.now
        )
        token_sessions.open_session(
            session,
            token_digest=minted.token.digest,
            link_id=link_id,
            user_id=user["id"],
            one_time_token_id=None,
            max_age=timedelta(days=1),
            now=house.now,
        )
    assert program.get(f"{path}/tokens")["items"][0]["is_usable"]
    body = {"subject": user["subject"], "reason": "asked for it"}
    wrong = program.post(f"{path}/erasure", {**body, "subject": "zo"}, status=422)
    assert wrong["code"] == "subject_differs"
    erased = program.call("POST", f"{path}/erasure", json=body)
    assert (erased["sessions"], erased["tokens"], erased["uid"]) == (1, 1, user["uid"])

    shown = program.get(path)
    assert (shown["status"], shown["name"], shown["attributes"]) == ("erased", None, {})
    assert program.get(f"{path}/sessions")["items"] == program.get(f"{path}/tokens")["items"] == []
    kept = program.get(f"{path}/personal-data")
    with house.db.read() as session:
        journal = [
            [row.before, row.after, row.reason]
            for row in session.query(AuditEntry).filter_by(object_id=str(user["id"]))
        ]
    everything = json.dumps([kept, journal, shown])
    assert "Unmistakable" not in everything
    assert user["subject"] not in everything
    assert kept["wallet"]["balance"] == "5"
    assert [one["reference"] for one in kept["answers"]] == ["e-event"]
    found = verify(house.db, zone=house.settings.zone)
    # The events of these tests are made without their daily sums.
    assert {one.code for one in found.findings} <= {"rollup_differs"}
    told = program.post(f"{path}/activation", {"reason": "come back"}, status=409)
    assert told["code"] == "user_erased"
    again = program.post("/users", {"subject": user["subject"]})
    assert again["id"] != user["id"]
    assert again["uid"] != user["uid"]


def test_accounts_and_transactions_are_listed_and_add_up(house, program, add, link_id):
    user = add()
    path = f"/users/{user['id']}"
    program.post(f"{path}/top-ups", {"amount": "7", "reason": "x"}, **key("a-1"))
    charge(house, user["id"], link_id, "a-event", 2)
    accounts = program.get("/accounts?sort=lowest")
    house_sum = sum(Decimal(one["balance"]) for one in accounts["house"])
    assert house_sum + Decimal(accounts["wallets_sum"]) == 0
    balances = [Decimal(one["balance"]) for one in accounts["items"]]
    assert balances == sorted(balances)
    found = verify(house.db, zone=house.settings.zone)
    for account in accounts["house"]:
        assert Decimal(account["balance"]) * NANO == found.sums[account["name"]], account
    mine = program.get(f"/transactions?user_id={user['id']}&limit=1")
    assert (mine["items"][0]["kind"], mine["items"][0]["reference"]) == ("charge", "a-event")
    older = program.get(f"/transactions?user_id={user['id']}&cursor={mine['next']}")["items"]
    assert [one["kind"] for one in older] == ["top_up"]
    by_key = f"/transactions?idempotency_key={older[0]['idempotency_key']}&kind=top_up"
    assert [one["id"] for one in program.get(by_key)["items"]] == [older[0]["id"]]
    assert program.get("/transactions?actor=fastgpt&kind=charge&until=2020-01-01T00:00:00Z") == {
        "items": [],
        "next": None,
    }
    told = program.call("POST", "/ledger/verification", json={"days": 31})
    assert told["ok"]
    assert told["transactions"] >= 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/users/{2**63}", 404),
        (f"/users/{2**70}/statement", 404),
        (f"/transactions/{2**70}", 404),
        (f"/users?cursor={'x' * 20}", 422),
        ("/users?q=%00", 422),
        ("/users?subject=%00", 200),
        (f"/transactions?user_id={2**64}", 422),
        ("/transactions?since=0001-01-01T00:00:00%2B14:00", 422),
        ("/transactions?cursor=WyI5OTk5LTEyLTMxVDIzOjU5OjU5LTE0OjAwIiwxXQ", 422),
        ("/users/1/limits?link_id=9223372036854775807", 404),
    ],
)
def test_odd_values_are_refused_and_break_nothing(program, add, path, status):
    program.get(path, status=status)


def test_personal_data_needs_all_that_is_in_it(house, add):
    user = add()
    house.program("users:read").get(f"/users/{user['id']}/personal-data", status=403)
