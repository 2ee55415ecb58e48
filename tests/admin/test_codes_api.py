"""Redemption codes by the JSON API."""

import json
from datetime import timedelta

import pytest
from app.audit.models import AuditEntry
from app.statements.verification import verify
from sqlalchemy import select


@pytest.fixture(scope="module")
def program(house):
    return house.program("codes:read", "codes:write", "wallets:write", "wallets:read")


@pytest.fixture
def batch(program, request):
    def made(**said):
        body = {"name": request.node.name[:100], "amount": "2.5", "count": 3, **said}
        return program.post("/code-batches", body)

    return made


def texts(program, name):
    return [one["code"] for one in program.post(f"/code-batches/{name}/print", status=200)["codes"]]


def test_a_batch_is_made_printed_and_redeemed_once(house, scene, program, batch):
    name = batch(note="spring")["name"]
    codes = texts(program, name)
    ann, bob, _ = scene.users
    paid = program.post(f"/users/{ann}/redemptions", {"code": codes[1].lower()})
    assert (paid["amount"], paid["serial"], paid["is_replay"]) == ("2.5", 2, False)
    again = program.post(f"/users/{ann}/redemptions", {"code": codes[1]})
    assert again["is_replay"]
    assert again["transaction_id"] == paid["transaction_id"]
    problem = program.post(f"/users/{bob}/redemptions", {"code": codes[1]}, status=404)
    assert problem["code"] == "code_unknown"
    shown = program.get(f"/code-batches/{name}")
    assert (shown["redeemed"], shown["left"], shown["outstanding"]) == (1, 2, "5")
    listed = program.get(f"/code-batches/{name}/codes?redeemed=true")["items"]
    assert [(one["serial"], one["user_id"]) for one in listed] == [(2, ann)]
    assert texts(program, name) == [codes[0], codes[2]]
    found = verify(house.db, zone=house.settings.zone)
    assert list(found.findings) == []


def test_codes_are_told_by_nothing_but_printing_which_is_audited(house, program, batch):
    made = batch()
    codes = texts(program, made["name"])
    paths = [
        "/code-batches",
        f"/code-batches/{made['name']}",
        f"/code-batches/{made['name']}/codes",
    ]
    told = json.dumps([program.get(path) for path in paths])
    assert not any(code in told for code in codes)
    with house.db.read() as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.object_id == str(made["id"]))
        ).all()
        kept = [(row.action, row.after) for row in rows if row.action == "codes.print"]
    assert [after["shown"] for _, after in kept] == [3]
    assert not any(code in json.dumps([row.after for row in rows]) for code in codes)


def test_the_text_goes_when_all_is_printed(program, batch):
    name = batch()["name"]
    assert program.post(f"/code-batches/{name}/printed", status=200)["printable_until"] is None
    problem = program.post(f"/code-batches/{name}/print", status=409)
    assert problem["code"] == "codes_not_printable"


def test_a_batch_is_paused_resumed_and_cancelled(scene, program, batch):
    name = batch()["name"]
    code = texts(program, name)[0]
    paths = [f"/code-batches/{name}/{verb}" for verb in ("pause", "resume", "cancel")]
    assert program.post(paths[0], {"reason": "stolen"}, status=200)["status"] == "paused"
    path = f"/users/{scene.users[0]}/redemptions"
    assert program.post(path, {"code": code}, status=409)["code"] == "code_paused"
    assert program.post(paths[1], {}, status=200)["status"] == "active"
    assert program.post(paths[2], {}, status=200)["outstanding"] == "0"
    assert program.post(paths[1], {}, status=409)["code"] == "code_batch_cancelled"
    assert name in {b["name"] for b in program.get("/code-batches?status=cancelled")["items"]}


def test_a_code_is_found_by_whoever_asks_about_it(program, batch):
    made = batch()
    code = texts(program, made["name"])[2]
    found = program.post("/codes/lookup", {"code": code}, status=200)
    assert (found["code"]["serial"], found["batch"]["id"]) == (3, made["id"])
    assert program.post("/codes/lookup", {"code": "A" * 16}, status=422)["code"] == "code_malformed"


def test_lists_come_in_pages_that_join(program, batch):
    name = batch(count=5)["name"]
    serials, cursor = [], None
    while serials == [] or cursor:
        more = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = program.get(f"/code-batches/{name}/codes", query_string=more)
        serials += [one["serial"] for one in page["items"]]
        cursor = page["next"]
    assert serials == [1, 2, 3, 4, 5]


def test_who_guesses_is_told_when_to_go_on(scene, program):
    path = f"/users/{scene.users[2]}/redemptions"
    unknown = {"code": "0000-0000-0000-0000-0"}
    answers = [program.post(path, unknown, status=404) for _ in range(10)]
    assert {answer["code"] for answer in answers} == {"code_unknown"}
    assert program.post(path, unknown, status=429)["retry_after_s"] > 3000
    assert int(program.last.headers["Retry-After"]) > 3000


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a/b"},
        {"name": " a"},
        {"name": "\0"},
        {"amount": "0"},
        {"amount": "1e30"},
        {"amount": "0.0000000001"},
        {"count": 10_001},
        {"count": 2**70},
        {"expires_at": "0001-01-01T00:00:00+14:00"},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"note": "a\0b"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_senseless_batches_are_refused(program, wrong):
    body = {"name": "senseless", "amount": "1", "count": 1} | wrong
    program.post("/code-batches", body, status=422)


def test_half_a_character_is_refused(program):
    body = b'{"name": "\\ud800", "amount": "1", "count": 1}'
    said = {"data": body, "content_type": "application/json"}
    program.call("POST", "/code-batches", 422, **said)


def test_odd_addresses_lead_nowhere(program):
    program.get("/code-batches/%00", status=422)
    for path in ("/code-batches/%ff", f"/code-batches/{'x' * 300}"):
        assert program.get(path, status=404)["code"] == "code_batch_not_found"
    program.post(f"/users/{2**63}/redemptions", {"code": "0000-0000-0000-0000-0"}, status=404)
    program.get("/code-batches?cursor=bm8", status=422)


def test_a_batch_expires(house, program, batch):
    soon = (house.now + timedelta(days=1)).isoformat()
    assert batch(expires_at=soon)["is_expired"] is False


def test_support_finds_codes_and_sees_no_text(house, batch):
    name = batch()["name"]
    support = house.program("codes:read")
    support.post(f"/code-batches/{name}/print", status=403)
    support.post(f"/code-batches/{name}/cancel", {}, status=403)
    support.post("/codes/lookup", {"code": "0000-0000-0000-0000-0"}, status=404)
