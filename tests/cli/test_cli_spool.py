"""``shareauth spool``: what waits, what was set aside, and how it gets into the books."""

import json
from datetime import timedelta

import pytest
from app.keys import Keys
from app.spool.record import Record, to_lines
from app.spool.spool import Spool

SECRET = "a secret that is only good for tests, 32+"
BODY = '{"token":"sat_nobody_has_this","responseData":[{"问":1'.encode()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "data" / "spool", keys=Keys(SECRET), bytes_max=10**8)
    yield made
    made.close()


@pytest.fixture
def key(shell):
    return shell.json("links", "create", "support")["root_url"].rsplit("/", 1)[1]


@pytest.fixture
def token(shell, key):
    words = ("--link", "support", "--subject", "alice")
    return shell.json("tokens", "mint", *words)["token"]


def keep(spool, reference, at, *, body=BODY, key="no-link-has-this"):
    spool.append(Record(reference, at, key, None, body), lane="known", now=at)


def test_commands_work_without_a_database(make_shell, spool, now):
    shell = make_shell(SHAREAUTH_DATABASE__URL="postgresql+psycopg://u@127.0.0.1:9/nowhere")
    keep(spool, "bbbbbbbbbb", now + MINUTE)
    keep(spool, "aaaaaaaaaa", now)
    status = shell.json("spool", "status")
    assert (status["records"], status["oldest_at"]) == (2, "2026-11-23T04:00:00Z")
    listed = shell.json("spool", "list")["finishes"]
    assert [one["reference"] for one in listed] == ["aaaaaaaaaa", "bbbbbbbbbb"]
    assert listed[0]["body_bytes"] == len(BODY)
    assert shell.run("spool", "show", "aaaaaaaaaa", "--body").stdout_bytes == BODY
    assert shell.error("spool", "replay")["code"] == "database_away"


def test_empty_spool_is_told_without_making_one(shell, tmp_path):
    assert shell.json("spool", "status")["records"] == 0
    assert "Nothing is here" in shell.text("spool", "list")
    assert not (tmp_path / "data" / "spool").exists()


def test_unknown_reference_is_an_error(shell, spool):
    assert shell.error("spool", "show", "cccccccccc")["code"] == "not_in_spool"
    assert shell.error("spool", "replay", "cccccccccc")["code"] == "not_in_spool"


def test_replay_settles_what_waits_and_sets_aside_what_is_nobodys(shell, spool, key, token, now):
    body = json.dumps({"token": token, "responseData": [{"id": "n", "totalPoints": 2}]}).encode()
    keep(spool, "goodgoodgo", now, body=body, key=key)
    keep(spool, "strangerrr", now)
    done = shell.json("spool", "replay")
    assert (done["recorded"], done["rejected"], done["waiting"]) == (1, 1, 0)
    listed = shell.json("spool", "list", "--rejected")["rejected"]
    assert [(one["reference"], one["reason"]) for one in listed] == [("strangerrr", "link_unknown")]
    again = shell.json("spool", "replay", "strangerrr")
    assert (again["recorded"], again["rejected"]) == (0, 1)
    assert shell.json("spool", "replay", "--rejected")["rejected"] == 1
    assert shell.json("users", "show", "alice")["points_used"] == "2"


def test_export_and_import_carry_the_spool_elsewhere(shell, spool, tmp_path, now):
    keep(spool, "aaaaaaaaaa", now)
    keep(spool, "bbbbbbbbbb", now + MINUTE)
    file = tmp_path / "spool.txt"
    assert shell.json("spool", "export", file)["exported"] == 2
    assert b"token" not in file.read_bytes()
    with spool.drain() as batch:
        for entry in batch.entries:
            batch.done(entry)
    assert shell.json("spool", "import", file)["imported"] == ["aaaaaaaaaa", "bbbbbbbbbb"]
    listed = shell.json("spool", "list")["finishes"]
    assert [one["received_at"] for one in listed] == [
        "2026-11-23T04:00:00Z",
        "2026-11-23T04:01:00Z",
    ]


def test_import_takes_what_it_can_and_tells_the_rest(shell, spool, tmp_path, now):
    finish = Record("aaaaaaaaaa", now, "key", None, BODY)
    [mine] = to_lines("aaaaaaaaaa", spool.seal(finish))
    other = Spool(spool.directory, keys=Keys("somebody else's secret, 32 letters"), bytes_max=10**8)
    [theirs] = to_lines("bbbbbbbbbb", other.seal(finish))
    log = tmp_path / "service.log"
    log.write_text(f'{{"event":"x"}}\n{theirs}\nnoise {mine}" noise\nsealed-finish:cc:1/2:abcd\n')
    told = shell.json("spool", "import", log, exit_code=1)
    assert told["imported"] == ["aaaaaaaaaa"]
    assert len(told["problems"]) == 2


def test_doctor_looks_at_the_spool(shell, spool, now):
    def findings():
        document = json.loads(shell.run("doctor", "--offline", "--json").stdout)
        return {one["id"]: one["status"] for one in document["findings"]}

    assert findings()["SA601"] == "ok"
    keep(spool, "aaaaaaaaaa", now - MINUTE * 10**6)
    assert (findings()["SA602"], findings()["SA603"]) == ("warning", "ok")
    shell.json("spool", "replay")
    assert (findings()["SA602"], findings()["SA603"]) == ("ok", "warning")
