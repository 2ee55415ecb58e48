"""How long a page or a call took is told to whoever is signed in, and to nobody else."""

import re

TOLD = re.compile(
    r'db;dur=[0-9.]+;desc="([0-9]+) statements", cpu;dur=([0-9.]+), total;dur=([0-9.]+)'
)


def test_signed_in_answers_tell_their_time(house):
    browser, program = house.browser("owner"), house.program("users:read")
    browser.get("/admin/users/")
    program.get("/users")
    for answer in (browser.last, program.last):
        statements, cpu_ms, total_ms = TOLD.fullmatch(answer.headers["Server-Timing"]).groups()
        assert 1 < int(statements) < 50
        assert 0 < float(cpu_ms) <= float(total_ms) + 0.1


def test_strangers_are_not_told(house):
    client = house.app.test_client()
    for path in ("/admin/sign-in", "/admin/users/", "/admin/api/v1/users"):
        assert "Server-Timing" not in client.get(path).headers
