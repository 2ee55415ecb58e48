"""Refused over HTTP, then found by an operator: who, where, why and by which rule."""

import json
import uuid
from datetime import UTC, datetime

from app.limits import GuestLimits, VisitorLimits
from app.plans.commands import PlanSpec
from app.sightings import store
from app.sightings.diagnosis import diagnose
from app.users import commands as user_commands
from app.users import store as user_store

from running_service import ACTOR, Service, wait_for


def find(service: Service, answer: dict) -> dict:
    """The refusal that a visitor read out, as soon as it is written."""
    found = []

    def is_written() -> bool:
        found[:] = service.rows(
            "SELECT * FROM refusals WHERE reference = :reference", reference=answer["reference"]
        )
        return bool(found)

    wait_for(is_written)
    return found[0]._asdict()


def details(refusal: dict) -> dict:
    raw = refusal["details"]
    return json.loads(raw) if isinstance(raw, str) else raw


def diagnosed(service: Service, link_id: int, until: tuple[str, str]) -> tuple[dict, list]:
    """What is known of a link's calls, ``{(hook, code): count}``, and the codes of the findings."""
    desk = service.desk()

    def calls() -> dict:
        with desk.db.read() as session:
            return {(one.hook, one.code): one for one in store.list_calls(session, link_id)}

    wait_for(lambda: until in calls())
    seen = calls()
    desk.close()
    findings = diagnose(list(seen.values()), now=datetime.now(UTC))
    return {place: one.count for place, one in seen.items()}, [one.code for one in findings]


def test_why_a_visitor_was_refused_is_found_by_the_reference(service):
    plan = PlanSpec(name="slow", limits=VisitorLimits(questions_per_minute=1))
    link, (subject, token) = service.add_link(), service.add_user(plan=plan)
    poor, poor_token = service.add_user(credit=0)
    assert link.start(token)["success"] is True
    too_fast, empty = link.start(token), link.start(poor_token)
    unknown, astray = link.init("no token of anybody"), link.call("stop", {"token": token})
    refusal = find(service, too_fast)
    assert (refusal["code"], refusal["hook"]) == ("visitor_rate", "start")
    assert (refusal["link_id"], refusal["subject"]) == (link.link_id, subject)
    assert details(refusal)["limit"] == 1
    assert 0 < details(refusal)["wait_s"] <= 60
    assert refusal["address"] == "127.0.0.1"
    refusal = find(service, empty)
    assert (refusal["code"], refusal["subject"]) == ("balance_too_low", poor)
    assert details(refusal)["balance"] == "0"
    refusal = find(service, unknown)
    assert (refusal["code"], refusal["uid"]) == ("token_rejected", None)
    refusal = find(service, astray)
    assert (refusal["code"], refusal["hook"]) == ("hook_unknown", "other")


def test_suspended_visitor_is_named(embedded_service):
    service = embedded_service
    link, (subject, token) = service.add_link(), service.add_user()
    desk = service.desk()
    with desk.change() as session:
        user = user_store.get_by_subject(session, subject, issuer_name=None)
        user_commands.set_suspended(session, user, suspended=True, actor=ACTOR, now=desk.now)
    desk.close()
    refusal = find(service, link.init(token))
    assert (refusal["code"], refusal["subject"]) == ("user_suspended", subject)


def test_guest_is_known_by_uid_only(embedded_service):
    guest = f"shareChat-1754557200000-{uuid.uuid4().hex[:24]}"
    link = embedded_service.add_link(
        allows_guests=True, guest_limits=GuestLimits(questions_per_minute=0)
    )
    refusal = find(embedded_service, link.start(guest))
    assert (refusal["code"], refusal["subject"]) == ("guests_rate", None)
    assert refusal["uid"].startswith("u_")
    assert guest not in str(refusal)


def test_set_up_that_works_shows_its_calls_and_fastgpts_generation(embedded_service):
    link, token = embedded_service.add_link(), embedded_service.add_visitor()
    link.init(token)
    link.init(token)
    link.start(token)
    node = {"id": "n", "moduleType": "chatNode", "totalPoints": 1, "childrenResponses": []}
    link.finish(token, [node], chatId="c")
    found = {}

    def is_written() -> bool:
        found.update(diagnosed(embedded_service, link.link_id, until=("finish", "ok"))[0])
        return sum(found.values()) == 4  # each process writes what it saw

    wait_for(is_written)
    assert found == {("init", "ok"): 2, ("start", "ok"): 1, ("finish", "ok"): 1}
    _, findings = diagnosed(embedded_service, link.link_id, until=("finish", "ok"))
    assert findings == ["generation", "working"]


def test_wrong_root_urls_are_found_on_the_page_of_their_link(embedded_service):
    service = embedded_service
    link = service.add_link()
    key = link.url.rsplit("/", 1)[1]

    def call(url: str, method: str = "POST") -> dict:
        return link.pool.request(method, url, json={"token": "x"}).json()

    doubled = call(f"{link.url}/shareAuth/shareAuth/init")
    without_l = call(f"{service.url}/{key}/shareAuth/init")
    got = call(f"{link.url}/shareAuth/start", "GET")
    assert [one["code"] for one in (doubled, without_l, got)] == [
        "hook_unknown",
        "link_unknown",
        "method_not_allowed",
    ]
    refusal = find(service, doubled)
    assert refusal["link_id"] == link.link_id
    assert refusal["called"] == f"POST /l/{key[:4]}…/shareAuth/shareAuth/init"
    assert find(service, without_l)["link_id"] == find(service, got)["link_id"] == link.link_id
    _, findings = diagnosed(service, link.link_id, until=("start", "method_not_allowed"))
    assert findings == ["not_post", "hook_folder_twice", "key_not_taken"]


def test_call_to_no_link_is_kept_without_its_key(embedded_service):
    guess = "Abcd" + "x" * 28
    answer = embedded_service.pool.request(
        "POST", f"{embedded_service.url}/l/{guess}/shareAuth/finish", json={}
    )
    refusal = find(embedded_service, answer.json())
    assert (refusal["code"], refusal["link_id"]) == ("link_unknown", None)
    assert refusal["called"] == "POST /l/Abcd…/shareAuth/finish"
    assert guess not in str(refusal)
