"""Every metric of the service, with its unit in the name. Counted at surfaces and adapters."""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, multiprocess

from app.telemetry.meters import Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

HOOK_REQUESTS = Counter(
    "shareauth_hook_requests_total",
    "Answered hook calls, by hook and by the code of the answer ('ok' or why not).",
    ["hook", "code"],
)
HOOK_SECONDS = Histogram(
    "shareauth_hook_seconds", "Time to answer a hook call, in seconds.", ["hook"], buckets=SECONDS
)
FINISHES = Counter(
    "shareauth_finishes_total",
    "Finishes by what became of them: recorded, replayed, quarantined, spooled, refused (no such "
    "link) or failed (nothing was kept).",
    ["outcome"],
)
FINISH_WARNINGS = Counter(
    "shareauth_finish_warnings_total", "Oddities in recorded finishes, by warning.", ["warning"]
)
OVERSIZED_BODIES = Counter(
    "shareauth_oversized_bodies_total", "Hook bodies larger than hooks.body_bytes_max.", ["hook"]
)
CHARGED_UNITS = Counter(
    "shareauth_charged_units_total", "Sum of recorded charges, in units of the wallet currency."
)
USED_POINTS = Counter("shareauth_used_points_total", "Sum of recorded FastGPT points.")
GATE_EVENTS = Counter(
    "shareauth_gate_events_total",
    "What happened between this service and Redis: outages, degraded decisions, reloads.",
    ["event"],
)
UNFINISHED_TURNS = Counter(
    "shareauth_unfinished_turns_total",
    "Questions without a finish: recorded (its ticket expired), finished_late (it came after all, "
    "of those recorded) or forgotten (let go unrecorded).",
    ["outcome"],
)
SIGHTINGS_DROPPED = Counter(
    "shareauth_sightings_dropped_total",
    "Hook calls that operators will not find, by why: counted (a flood of refusals; only their "
    "number is kept), stray (a flood of calls to no link), full or waiting (the database is away), "
    "failed (it did not take them).",
    ["reason"],
)
SIGN_INS = Counter(
    "shareauth_sign_ins_total",
    "Operators who tried to sign in, by how (password, code, oidc, token: one that is unknown, "
    "expired or revoked) and by what became of it: ok, failed or throttled.",
    ["method", "outcome"],
)
JOB_RUNS = Counter(
    "shareauth_job_runs_total",
    "Runs of periodic and background jobs, by job and outcome.",
    ["job", "outcome"],
)
FINDINGS = Gauge(
    "shareauth_findings",
    "What the last self-audit found, by what is wrong and by what was read: all books, every "
    "night, or recent, every five minutes. Anything above zero needs somebody.",
    ["code", "scope"],
    multiprocess_mode="mostrecent",
)
SPOOL_EVENTS = Counter(
    "shareauth_spool_events_total",
    "What happened to spooled finishes: appended, full or failed (not appended), lost (only in the "
    "log), recorded, replayed, quarantined or rejected when drained, damaged.",
    ["event"],
)
SPOOL_RECORDS = Gauge(
    "shareauth_spool_records", "Finishes waiting in the spool.", multiprocess_mode="mostrecent"
)
SPOOL_BYTES = Gauge(
    "shareauth_spool_bytes", "Bytes waiting in the spool.", multiprocess_mode="mostrecent"
)
SPOOL_OLDEST_SECONDS = Gauge(
    "shareauth_spool_oldest_seconds",
    "How long the oldest finish in the spool has waited; zero when none waits.",
    multiprocess_mode="mostrecent",
)
SPOOL_FULL_RATIO = Gauge(
    "shareauth_spool_full_ratio",
    "How full the spool is, of 1: of its cap, or of what the disk has left.",
    multiprocess_mode="mostrecent",
)
SPOOL_ASIDE = Gauge(
    "shareauth_spool_aside",
    "What the drain kept beside the spool (rejected, damaged); anything above zero needs somebody.",
    ["kind"],
    multiprocess_mode="mostrecent",
)
ALERTS_OPEN = Gauge(
    "shareauth_alerts_open",
    "Alerts that are open, by condition and severity.",
    ["condition", "severity"],
    multiprocess_mode="mostrecent",
)
ALERT_DELIVERIES = Counter(
    "shareauth_alert_deliveries_total",
    "Attempts to send a message of an alert, by kind of destination and outcome: delivered, failed "
    "(tried again later) or dead (given up).",
    ["kind", "outcome"],
)
ALERT_DELIVERIES_WAITING = Gauge(
    "shareauth_alert_deliveries_waiting",
    "Messages of alerts that wait to be sent (pending), and that nobody tries to send any more "
    "(dead) until somebody replays them.",
    ["status"],
    multiprocess_mode="mostrecent",
)
FILE_DELIVERIES = Counter(
    "shareauth_file_deliveries_total",
    "Attempts to deliver files, by kind of destination and outcome: delivered, failed (tried again "
    "later), dead (given up) or lost (taken over by another worker).",
    ["kind", "outcome"],
)
FILE_DELIVERIES_WAITING = Gauge(
    "shareauth_file_deliveries_waiting",
    "Deliveries of files that wait to be sent (pending), and that nobody tries to send any more "
    "(dead) until somebody retries them.",
    ["status"],
    multiprocess_mode="mostrecent",
)

METRICS = (
    HOOK_REQUESTS,
    SIGN_INS,
    HOOK_SECONDS,
    FINISHES,
    FINISH_WARNINGS,
    OVERSIZED_BODIES,
    CHARGED_UNITS,
    USED_POINTS,
    GATE_EVENTS,
    UNFINISHED_TURNS,
    SIGHTINGS_DROPPED,
    JOB_RUNS,
    FINDINGS,
    SPOOL_EVENTS,
    SPOOL_RECORDS,
    SPOOL_BYTES,
    SPOOL_OLDEST_SECONDS,
    SPOOL_FULL_RATIO,
    SPOOL_ASIDE,
    ALERTS_OPEN,
    ALERT_DELIVERIES,
    ALERT_DELIVERIES_WAITING,
    FILE_DELIVERIES,
    FILE_DELIVERIES_WAITING,
)


def count_finish(
    outcome: str, *, points: float, charge: float, warnings: Mapping[str, int]
) -> None:
    """Count a finish that is in the books; sums and warnings of one that was there count once."""
    FINISHES.labels(outcome).inc()
    if outcome == "replayed":
        return
    USED_POINTS.inc(points)
    CHARGED_UNITS.inc(charge)
    for warning, times in warnings.items():
        FINISH_WARNINGS.labels(warning.partition(":")[0]).inc(times)


def exposition(multiprocess_dir: Path | None) -> bytes:
    """The metrics of all worker processes as Prometheus text; of this one without a directory."""
    registry = CollectorRegistry()
    if multiprocess_dir is None:
        for metric in METRICS:
            registry.register(metric)
    else:
        multiprocess.MultiProcessCollector(registry, path=str(multiprocess_dir))  # type: ignore[no-untyped-call]
    return generate_latest(registry)
