"""``shareauth plans``."""


def test_built_in_plans_are_there_from_the_first_command(shell):
    names = [plan["name"] for plan in shell.json("plans", "list")["plans"]]

    assert names == ["default", "guest"]


def test_create_is_prepaid_and_without_limits_unless_told(shell):
    made = shell.json("plans", "create", "plain")

    assert made["credit_limit"] == "0"
    assert made["limits"] == {}
    assert made["price_multiplier"] == "1"


def test_create_takes_credit_multiplier_and_limits(shell):
    made = shell.json(
        *("plans", "create", "staff", "--credit", "50.25", "--multiplier", "0.5"),
        *("--limit", "questions-per-day=200", "--limit", "points-per-month=1000"),
    )

    assert made["credit_limit"] == "50.25"
    assert made["price_multiplier"] == "0.5"
    assert made["limits"] == {"questions_per_day": 200, "points_per_month": "1000"}


def test_credit_may_be_without_end(shell):
    assert shell.json("plans", "create", "vip", "--credit", "unlimited")["credit_limit"] is None
    assert "unlimited" in shell.text("plans", "list")


def test_update_merges_limits_and_keeps_the_rest(shell):
    shell.json("plans", "create", "staff", "--credit", "5", "--limit", "burst=3")
    changed = shell.json(
        "plans", "update", "staff", "--limit", "burst=inherit", "--limit", "open-questions=2"
    )

    assert changed["limits"] == {"open_questions": 2}
    assert changed["credit_limit"] == "5"
    assert shell.json("plans", "show", "staff") == changed


def test_plan_of_a_name_is_made_once(shell):
    assert shell.error("plans", "create", "default")["code"] == "plan_exists"


def test_unknown_plan_is_an_error(shell):
    assert shell.error("plans", "show", "gold")["code"] == "plan_not_found"
    assert shell.error("plans", "update", "gold", "--credit", "1")["code"] == "plan_not_found"


def test_amount_that_is_none_is_a_usage_error(shell):
    problem = shell.error("plans", "create", "x", "--credit", "much", exit_code=2)

    assert "decimal" in problem["message"]


def test_limit_out_of_range_names_the_limit(shell):
    problem = shell.error("plans", "create", "x", "--limit", "burst=-7")

    assert problem["code"] == "invalid"
    assert "limits.burst" in problem["message"]
