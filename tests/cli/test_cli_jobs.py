"""``shareauth jobs``, and ``prices rerate apply --in-background``."""

from rerating_builders import Shop


def test_a_rerating_is_left_to_a_worker_and_can_be_cancelled(shell, db, now):
    shop = Shop(db, now)
    shop.publish(per_point="2")
    shop.publish(per_point="1")
    shop.answer(1, points=2)
    words = ("prices", "rerate", "apply", "--since", "2026-01-01", "--until", "2027-01-01")
    asked = shell.json(*words, "--price", 2, "--reason", "x", "--in-background", "--yes")
    assert shop.adjustments() == []
    (job,) = shell.json("jobs", "list")["jobs"]
    assert (job["id"], job["kind"], job["state"]) == (asked["job"], "rerate", "queued")
    assert job["parameters"]["expect"] == asked["digest"]
    assert "rerate" in shell.text("jobs", "list", "--state", "queued")
    assert "There are none." in shell.text("jobs", "list", "--state", "done")
    assert "wrong" not in shell.text("jobs", "show", job["id"])
    assert "is cancelled" in shell.text("jobs", "cancel", job["id"])
    assert shell.json("jobs", "show", job["id"])["state"] == "cancelled"
    assert shell.error("jobs", "show", 99)["code"] == "job_not_found"
