"""Credit for many users at once: looked at first, given by a job, once for each run."""

import io
import re

import pytest
from app.background import granting


@pytest.fixture(scope="module")
def program(house):
    return house.program("wallets:read", "wallets:write", "jobs:read", "jobs:write")


@pytest.fixture(scope="module")
def names(house, scene):
    shown = house.program("users:read")
    return [shown.get(f"/users/{user_id}")["uid"] for user_id in scene.users[:2]]


def order(names, **more):
    gifts = f"subject,amount\n{names[0]},5\n{names[1]},2.5\n"
    return {"run": "spring", "reason": "spring", "gifts": gifts, **more}


def test_a_list_is_looked_at_and_then_given_by_the_api(program, names, scene):
    asked = order(names)
    looked = program.post("/grants/bulk/preview", asked, status=200)
    assert (looked["people"], looked["total"], looked["problems"]) == (2, "7.5", [])
    job = program.post("/grants/bulk", {**asked, "expect": looked["digest"]}, status=202)
    assert job["kind"] == granting.KIND
    assert job["parameters"]["gifts"] == [
        [user_id, amount] for user_id, amount in zip(scene.users, ("5", "2.5"), strict=False)
    ]
    other = {**order(names, run="other"), "expect": looked["digest"]}
    assert program.post("/grants/bulk", other, status=409)["code"] == "gifts_changed"


def test_lines_that_cannot_be_are_told_and_nothing_is_given(program, names):
    text = f"subject,amount\nnobody-at-all,5\n{names[0]},-1\n{names[1]},1\n{names[1]},1\n"
    looked = program.post("/grants/bulk/preview", order(names, gifts=text), status=200)
    assert [(one["line"], one["problem"]) for one in looked["problems"]] == [
        (2, "unknown"),
        (3, "amount"),
        (5, "twice"),
    ]
    sent = {**order(names, gifts=text), "expect": looked["digest"]}
    assert program.post("/grants/bulk", sent, status=422)["code"] == "gifts_unclear"
    for wrong, code in (
        ({"gifts": "who,what\na,1"}, "gifts_columns"),
        ({"plan": "default"}, "gifts_or_plan"),
        ({"plan": "no such plan", "amount": "1", "gifts": None}, "plan_not_found"),
    ):
        status = 404 if code == "plan_not_found" else 422
        problem = program.post("/grants/bulk/preview", order(names, **wrong), status=status)
        assert problem["code"] == code


def test_a_file_or_a_plan_is_looked_at_and_given_by_the_pages(house, names):
    browser = house.browser("owner")
    browser.get("/admin/grants/many/")
    form = {"reason": "spring", "run": "page-1", "priority": "10"}
    file = (io.BytesIO(f"subject,amount\n{names[0]},1.25\n".encode()), "gifts.csv")
    page = browser.post("/admin/grants/many/", file=file, **form)
    assert "1.25 CNY" in browser.text()
    assert 'data-typed="page-1"' in page
    digest = re.search(r'name="digest" value="(\w+)"', page)[1]
    gifts = f"subject,amount\n{names[0]},1.25\n"
    browser.post("/admin/grants/many/give", gifts=gifts, digest=digest, **form)
    assert "A worker gives it." in browser.text()
    page = browser.post("/admin/grants/many/", plan="default", amount="2", **form)
    assert "What would be given" in page
    refused = browser.post("/admin/grants/many/", gifts="nothing", status=422, **form)
    assert "no CSV" in refused
