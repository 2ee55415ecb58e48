"""``shareauth grants``: given, listed, shown, taken back; many at once as a job."""

GIVE = ("grants", "give", "ann", "20", "--for", "30d", "--reason", "welcome")


def test_credit_is_given_listed_shown_and_revoked(shell):
    shell.json("users", "add", "ann")
    given = shell.json(*GIVE, "--key", "k")
    again = shell.json(*GIVE, "--key", "k")  # 30 days from then, not from now
    other = shell.json("grants", "give", "ann", "1", "--until", "2099-12-31", "--reason", "gift")
    assert (given["left"], given["balance"]) == ("20", "20")
    assert (again["grant"], again["expires_at"]) == (given["grant"], given["expires_at"])
    assert (other["balance"], other["expires_at"]) == ("21", "2099-12-31T16:00:00Z")
    listed = shell.text("grants", "list", "--user", "ann", "--open")
    assert "welcome" in listed
    assert "2099-12-31 " in listed
    assert "2099-12-31" in shell.text("grants", "show", other["grant"])
    revoked = shell.json("grants", "revoke", given["grant"], "--reason", "mistake")
    assert (revoked["lapsed"], revoked["balance"]) == ("20", "1")
    shown = shell.json("grants", "show", given["grant"])
    assert (shown["left"], shown["lapsed"], shown["ended_as"]) == ("0", "20", "revoked")
    assert shell.error("grants", "show", "999")["code"] == "grant_not_found"


def test_many_are_asked_for_as_a_job(shell, tmp_path):
    shell.json("users", "add", "ann")
    gifts = tmp_path / "gifts.csv"
    gifts.write_text("\ufeffsubject,amount\nann,2.5\n", encoding="utf-8")
    words = ("grants", "give-many", gifts, "--for", "9d", "--reason", "spring", "--run", "s1")
    job = shell.json(*words)["job"]
    assert shell.json("jobs", "show", job)["kind"] == "grant_credit"
    gifts.write_text("subject,amount\nnobody,2.5\n", encoding="utf-8")
    assert shell.error(*words)["code"] == "user_not_found"
    assert "either gifts" in shell.error(*words[:2], "--plan", "x", *words[3:])["message"]
