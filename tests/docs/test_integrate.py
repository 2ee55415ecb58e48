"""The clients of docs/integrate.md are run as they stand, against a service that answers."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from app.links import store
from app.turns.token_check import Examiner
from werkzeug.serving import make_server

from admin_builders import House

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "docs" / "snippets" / "integrate"
SHARE_URL = "https://fastgpt.example/chat/share?shareId=shop"
SCOPES = ("tokens:mint", "users:write", "wallets:read", "wallets:write")
COMMANDS = {
    "shop.py": [sys.executable],
    "shop.mjs": ["node"],
    "Shop.java": ["java", "-XX:TieredStopAtLevel=1"],
    "shop.sh": ["sh"],
}
PRESENT = [
    file
    for file, command in COMMANDS.items()
    if shutil.which(command[0]) and (file != "shop.sh" or shutil.which("curl"))
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory, sqlite_template, valkey_url):
    """A service over HTTP: ``(house, what a client finds in its environment, id of a link)``."""
    folder = tmp_path_factory.mktemp("shop")
    house = House(folder, sqlite_template, valkey_url, f"h{uuid.uuid4().hex[:12]}")
    server = make_server("127.0.0.1", 0, house.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    link = house.program("links:write").post("/links", {"name": "shop", "share_url": SHARE_URL})
    environ = {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "SHAREAUTH_URL": f"http://127.0.0.1:{server.server_port}",
        "SHAREAUTH_TOKEN": house.program(*SCOPES).token,
    }
    yield house, environ, link["id"]
    server.shutdown()
    thread.join()
    server.server_close()
    house.close()


def run(file, environ, *words, code=0):
    done = subprocess.run(
        [*COMMANDS[file], str(CLIENTS / file), *map(str, words)],
        env=environ,
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout.strip() if code == 0 else done.stdout + done.stderr


def visited(file, printed):
    """``(user id, visitor URL)``: curl prints the whole answer."""
    if file == "shop.sh":
        answer = json.loads(printed)
        return str(answer["user_id"]), answer["visitor_url"]
    user, url = printed.split()
    return user, url


def money(file, printed):
    return json.loads(printed)["balance"] if file == "shop.sh" else printed


def test_every_client_is_shown_as_it_is_and_tried_here():
    assert sorted(COMMANDS) == sorted(path.name for path in CLIENTS.iterdir())
    assert "shop.py" in PRESENT
    for page in ("docs/integrate.md", "docs/integrate.zh-CN.md"):
        text = (ROOT / page).read_text("utf-8")
        for file in COMMANDS:
            assert (CLIENTS / file).read_text("utf-8") in text, (page, file)


def test_both_pages_say_the_same_commands():
    english, chinese = (
        re.findall(r"(?s)```\w+\n.*?```", (ROOT / page).read_text("utf-8"))
        for page in ("docs/integrate.md", "docs/integrate.zh-CN.md")
    )
    assert english == chinese


@pytest.mark.parametrize("file", PRESENT)
def test_a_customer_is_sent_to_the_chat_tops_up_and_is_billed_once(shop, file):
    house, environ, link_id = shop
    name = "Ann Lee" if file == "shop.sh" else '陈晓明 "Al" é'
    user, url = visited(file, run(file, environ, "visit", link_id, f"customer-{file}", name))
    assert url.startswith(f"{SHARE_URL}&authToken=sat_")
    assert is_accepted(house, link_id, url.partition("authToken=")[2])
    assert float(money(file, run(file, environ, "balance", user))) == 0
    for _ in range(1 if file == "Shop.java" else 2):  # slow to start
        printed = run(file, environ, "paid", user, f"{file}-1001", "20.5")
        assert float(money(file, printed)) == 20.5


@pytest.mark.parametrize("file", [file for file in PRESENT if file != "Shop.java"])  # slow to start
def test_a_refusal_is_told_by_its_code(shop, file):
    _, environ, link_id = shop
    stranger = {**environ, "SHAREAUTH_TOKEN": "saa_nobody"}
    code = 22 if file == "shop.sh" else 1
    assert "not_signed_in" in run(file, stranger, "visit", link_id, "x", "X", code=code)


def is_accepted(house, link_id, token):
    with house.db.read() as session:
        link = store.find_by_id(session, link_id)
        session.expunge(link)
    examiner = Examiner(
        db=house.db, keys=house.runtime.keys, configured=(), allow_private_jwks=False
    )
    return examiner.examine(link, token, house.now).refusal is None
