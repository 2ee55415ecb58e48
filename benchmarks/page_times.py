"""How long pages of the console and reports of the API take, asked for over HTTP.

The real service on a database that load_usage.py has filled. See README.md beside this file.
"""

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bulk.service import Service, served

HEAVY, COMMON = 1, 20_000
PAGES = {
    "overview": "/admin/",
    "usage: month, per day": "/admin/usage/?per=day&period=30d",
    "usage: month by model": "/admin/usage/?by=model&per=day&period=30d",
    "usage: top users": "/admin/usage/?by=user&period=30d",
    "answers": "/admin/usage/events",
    "answers of a user": f"/admin/usage/events?user=u_{COMMON}",
    "answer": "/admin/usage/events/B1000",
    "exports": "/admin/exports/",
    "users": "/admin/users/",
    "users: search": "/admin/users/?q=person-4999",
    "user, heaviest": f"/admin/users/{HEAVY}",
    "user": f"/admin/users/{COMMON}",
    "statement, heaviest": f"/admin/users/{HEAVY}/statement",
    "statement": f"/admin/users/{COMMON}/statement",
    "links": "/admin/links/",
    "link": "/admin/links/1",
    "refusals": "/admin/refusals/",
    "plans": "/admin/plans/",
    "prices": "/admin/prices/",
    "ledger": "/admin/ledger/",
    "alerts": "/admin/alerts/",
    "self-audit": "/admin/self-audit/",
    "findings": "/admin/findings/",
    "jobs": "/admin/jobs/",
    "audit": "/admin/audit/",
    "operators": "/admin/operators/",
    "settings": "/admin/settings/",
    "API: month by model": "/admin/api/v1/usage/report?by=model&per=day&period=30d",
    "API: top users": "/admin/api/v1/usage/report?by=user&period=30d",
    "API: overview": "/admin/api/v1/usage/overview",
    "API: answers": "/admin/api/v1/usage/events",
}
OK = 200
_SERVER_TIMING = re.compile(
    r'db;dur=([0-9.]+);desc="([0-9]+) statements", cpu;dur=([0-9.]+), total;dur=([0-9.]+)'
)


def ask(service: Service, path: str, rounds: int) -> dict[str, Any]:
    """Milliseconds of the clock, of the processor, and bytes.

    ``cpu``, ``inside``, ``first`` (not a median) and ``database`` are what ``Server-Timing`` says.
    """
    took, worked, inside, queried, statements = [], [], [], [], "0"
    for _ in range(rounds + 1):
        began = time.perf_counter()
        answer = service.get(path)
        took.append((time.perf_counter() - began) * 1000)
        if found := _SERVER_TIMING.search(answer.headers.get("Server-Timing", "")):
            queried.append(float(found[1]))
            statements = found[2]
            worked.append(float(found[3]))
            inside.append(float(found[4]))
    return {
        "status": answer.status,
        "median": statistics.median(took[1:]),
        "worst": max(took[1:]),
        "cpu": statistics.median(worked[1:]) if worked else 0.0,
        "bytes": len(answer.data),
        "inside": statistics.median(inside[1:]) if inside else 0.0,
        "first": inside[0] if inside else 0.0,
        "database": statistics.median(queried[1:]) if queried else 0.0,
        "statements": int(statements),
    }


@contextmanager
def _service(options: argparse.Namespace) -> Iterator[Service]:
    if options.service:
        service = Service(options.service)
        service.sign_in(options.name, options.password)
        yield service
        return
    with served(options.url, options.folder, options.port) as service:
        yield service


def main() -> int:
    options = _options()
    found = {}
    with _service(options) as service:
        heads = ("median", "worst", "CPU", "first", "inside", "database")
        print(f"{'':<24} {' '.join(f'{head:>8}' for head in heads)} ms, statements, KB")
        for name, path in PAGES.items():
            if options.only not in name:
                continue
            one = found[name] = ask(service, path, options.rounds)
            wrong = "" if one["status"] == OK else f"  HTTP {one['status']}"
            print(
                f"{name:<24} {one['median']:8.1f} {one['worst']:8.1f} {one['cpu']:8.1f} "
                f"{one['first']:8.1f} {one['inside']:8.1f} {one['database']:8.1f} "
                f"{one['statements']:4} {one['bytes'] / 1000:6.0f}{wrong}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), "utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="a loaded database; a service is started on it")
    where.add_argument("--service", help="the address of a running service")
    parser.add_argument("--name", default="admin", help="with --service: who signs in")
    parser.add_argument("--password", help="with --service")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/bench-service"))
    parser.add_argument("--port", type=int, default=18107)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="those with this in their names")
    parser.add_argument("--json", type=Path, help="write what was found there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
