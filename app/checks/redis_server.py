"""SA2xx: Redis answers, quickly, by our clock, forgets nothing and knows the newest change."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import redis

from app import revision, runtime
from app.admission.connect import Server, parse_url
from app.admission.gate import Gate
from app.admission.keys import KeyNames
from app.checks.finding import Finding, failed, ok, skipped, warning
from app.config import Settings
from app.db import Database
from app.errors import ServiceError

PATIENCE_S = 2.0
ROUND_TRIPS = 5
CLOCK_S_MAX = 1.0
KEEPS_EVERYTHING = "noeviction"

RESTS = (
    ("SA202", "Redis latency"),
    ("SA203", "Redis clock"),
    ("SA204", "Redis eviction"),
    ("SA205", "revision"),
)


def check_redis(settings: Settings) -> Iterator[Finding]:
    """SA201 to SA204. Where the first one fails the others are skipped."""
    names = KeyNames(settings.redis.namespace)
    try:
        target = parse_url(runtime.redis_url(settings))
        server = Server(target, slot_of=names.revision, timeout_s=PATIENCE_S)
    except ServiceError as error:
        yield failed("SA201", "Redis", error.message, "Correct redis.url.")
        yield from _skip(RESTS[:3])
        return
    try:
        server.locate()
        version = _text(server.client.info("server"), "valkey_version", "redis_version")
        yield ok("SA201", "Redis", f"{version} answers")
        yield _latency(server.client, settings.redis.timeout_ms)
        yield _clock(server.client)
        yield _eviction(server.client)
    except redis.RedisError as error:
        yield _away(settings, error)
        yield from _skip(RESTS[:3])
    finally:
        server.close()


def server_version(settings: Settings) -> str | None:
    """Which Valkey or Redis answers; None when none does."""
    names = KeyNames(settings.redis.namespace)
    try:
        target = parse_url(runtime.redis_url(settings))
        server = Server(target, slot_of=names.revision, timeout_s=PATIENCE_S)
    except ServiceError:
        return None
    try:
        server.locate()
        told = server.client.info("server")
    except redis.RedisError:
        return None
    finally:
        server.close()
    kind = "Valkey" if "valkey_version" in told else "Redis"
    return f"{kind} {_text(told, 'valkey_version', 'redis_version')}"


def check_revision(db: Database, gate: Gate, *, redis_answers: bool) -> Finding:
    """SA205: workers compare what they remember with this number."""
    if not redis_answers:
        return skipped("SA205", "revision", "Redis is away")
    with db.read() as session:
        ours = revision.current(session)
    theirs = gate.revision()
    if theirs is None:
        return ok("SA205", "revision", f"{ours} in the database, not asked for in Redis yet")
    if theirs == ours:
        return ok("SA205", "revision", f"{ours} in the database and in Redis")
    return failed(
        "SA205",
        "revision",
        f"{ours} in the database, {theirs} in Redis",
        "Workers may not know the newest change. When Redis is behind, any change announces it "
        "again (`shareauth links enable NAME`); when it is ahead, this is another database's Redis "
        "or namespace.",
    )


def _away(settings: Settings, error: redis.RedisError) -> Finding:
    policy = settings.redis.on_outage
    if settings.redis.url is None:
        return warning(
            "SA201",
            "Redis",
            "the bundled Valkey does not run",
            "It runs with the service: `shareauth serve`.",
        )
    return failed(
        "SA201",
        "Redis",
        f"no answer: {error}",
        f"Check redis.url and the server; until it answers, questions are handled by "
        f"redis.on_outage = {policy!r}.",
    )


def _latency(client: redis.Redis, budget_ms: int) -> Finding:
    took: list[float] = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        client.ping()
        took.append((time.perf_counter() - began) * 1000)
    worst, best = max(took), min(took)
    message = f"{best:.1f} to {worst:.1f} ms a round trip; the budget is {budget_ms} ms"
    if worst > budget_ms / 2:
        return warning(
            "SA202",
            "Redis latency",
            message,
            "Move Redis nearer, or raise redis.timeout_ms: slower answers count as an outage.",
        )
    return ok("SA202", "Redis latency", message)


def _clock(client: redis.Redis) -> Finding:
    seconds, micros = _pair(client.time())
    theirs = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
    apart_s = abs((datetime.now(UTC) - theirs).total_seconds())
    message = f"{apart_s:.1f} s apart"
    if apart_s > CLOCK_S_MAX:
        return warning(
            "SA203",
            "Redis clock",
            message,
            "Let NTP set both clocks: rates and days are counted by the one of Redis.",
        )
    return ok("SA203", "Redis clock", message)


def _eviction(client: redis.Redis) -> Finding:
    policy = _text(client.info("memory"), "maxmemory_policy")
    if policy == KEEPS_EVERYTHING:
        return ok("SA204", "Redis eviction", "nothing is evicted")
    return warning(
        "SA204",
        "Redis eviction",
        f"maxmemory-policy is {policy}",
        "Set it to noeviction: an evicted counter lifts a limit in silence.",
    )


def _skip(rests: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    for id_, check in rests:
        yield skipped(id_, check, "Redis is away")


def _text(answer: Any, *names: str) -> str:  # noqa: ANN401 - redis-py's answers
    found = [str(answer[name]) for name in names if name in answer]
    return found[0] if found else "unknown"


def _pair(answer: Any) -> tuple[int, int]:  # noqa: ANN401 - redis-py's answers
    seconds, micros = answer
    return int(seconds), int(micros)
