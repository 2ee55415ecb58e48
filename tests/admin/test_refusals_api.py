"""Refusals and the calls of links by the JSON API."""

from datetime import timedelta

import pytest

REACHED_NOTHING = {"link_id": None, "called": "POST /l/abcd…/shareAuth/shareAuth/init"}


@pytest.fixture(scope="module")
def program(house):
    return house.program("refusals:read", "links:read")


@pytest.fixture(scope="module")
def told(scene):
    """One of each sort, the oldest first."""
    ago = scene.house.now - timedelta(minutes=10)
    return [
        scene.refused("visitor_rate", at=ago, details={"limit": 5, "wait_s": 40}),
        scene.refused("balance_too_low", details={"balance": "-1.5"}),
        scene.refused("link_disabled", link_id=scene.silent_link, hook="init", person=None),
        scene.refused("link_unknown", **REACHED_NOTHING),
    ]


def codes(page):
    return [one["code"] for one in page["items"]]


def test_a_reference_tells_who_where_and_why(program, scene, told):
    found = program.get(f"/refusals/{told[0].reference.upper()}")
    assert found["link"] == {"id": scene.link, "name": "helpdesk"}
    assert (found["subject"], found["user_id"]) == ("person-0", scene.users[0])
    assert found["details"] == {"limit": 5, "wait_s": 40}
    assert program.get("/refusals/nothing123", status=404)["code"] == "refusal_not_found"
    program.get("/refusals/%00", status=422)


def test_lists_are_filtered(program, scene, told):
    assert codes(program.get(f"/refusals?link_id={scene.silent_link}")) == ["link_disabled"]
    assert codes(program.get("/refusals?uid=u_0")) == ["balance_too_low", "visitor_rate"]
    assert codes(program.get("/refusals?hook=init")) == ["link_disabled"]
    assert codes(program.get("/refusals?no_link=true")) == ["link_unknown"]
    since = (scene.house.now - timedelta(minutes=5)).isoformat()
    recent = program.get("/refusals", query_string={"since": since})
    assert "visitor_rate" not in codes(recent)
    program.get(f"/refusals?no_link=true&link_id={scene.link}", status=422)
    for odd in ("link_id=99999999999999999999", "since=0001-01-01T00:00:00%2B14:00", "uid=%00"):
        program.get(f"/refusals?{odd}", status=422)


def test_pages_join(program, told):
    whole = codes(program.get("/refusals"))
    first = program.get("/refusals?limit=2")
    rest = program.get("/refusals", query_string={"cursor": first["next"]})
    assert codes(first) + codes(rest) == whole
    program.get("/refusals?cursor=WzkyMjMzNzIwMzY4NTQ3NzU4MDcsMV0", status=422)


def test_reasons_are_counted(program, scene, told):
    def counted(**said):
        answer = program.get("/refusals/counts", query_string=said)
        return {one["code"]: one["count"] for one in answer["counts"]}

    assert counted()["visitor_rate"] == 1
    assert counted(link_id=scene.silent_link) == {"link_disabled": 1}
    assert counted(no_link="true") == {"link_unknown": 1}
    assert counted(hook="init") == {"link_disabled": 1}
    too_long = {"since": "2020-01-01T00:00:00Z"}
    problem = program.get("/refusals/counts", query_string=too_long, status=422)
    assert problem["code"] == "period_too_long"


def test_strays_say_what_to_do(program, told):
    stray = program.get("/refusals/strays")["items"][0]
    assert stray["called"] == REACHED_NOTHING["called"]
    assert stray["finding"]["code"] == "hook_folder_twice"


def test_calls_of_a_link_come_with_a_diagnosis(program, scene, told):
    scene.called("start")
    calls = program.get(f"/links/{scene.link}/calls")
    assert {(one["hook"], one["code"]) for one in calls["calls"]} >= {
        ("start", "ok"),
        ("start", "visitor_rate"),
    }
    untouched = program.get(f"/links/{scene.silent_link}/calls")
    assert "link_disabled" in {one["code"] for one in untouched["findings"]}
    program.get(f"/links/{2**64}/calls", status=404)
    assert program.get("/links/999/calls", status=404)["code"] == "link_not_found"


def test_operators_of_certain_links_see_only_theirs(house, scene, told):
    browser = house.browser("support", link_ids=[scene.silent_link])

    def get(path, status=200):
        answer = browser.client.get(f"/admin/api/v1{path}")
        assert answer.status_code == status, answer.get_data()
        return answer.get_json()

    assert codes(get("/refusals")) == ["link_disabled"]
    assert codes(get(f"/refusals?link_id={scene.link}")) == []
    assert codes(get("/refusals?no_link=true")) == []
    get(f"/refusals/{told[0].reference}", 404)
    assert [one["code"] for one in get("/refusals/counts")["counts"]] == ["link_disabled"]
    assert get(f"/refusals/counts?link_id={scene.link}")["counts"] == []
    get("/refusals/strays", 403)
    get(f"/links/{scene.link}/calls", 404)
    get(f"/links/{scene.silent_link}/calls")
