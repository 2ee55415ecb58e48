"""What a run has shown, as one JSON-safe document."""

from collections.abc import Mapping

from app.money import format_nano
from app.simulator.contract import HOOKS, VIOLATIONS
from app.simulator.run import Options, Result
from app.simulator.tally import PERCENTILES, Latency

Document = dict[str, object]


def document(options: Options, result: Result) -> Document:
    """Everything worth keeping of a run; points and amounts are decimal text, times seconds or ms.

    ``ok`` is the verdict that the exit code repeats.
    """
    tally, elapsed_s = result.tally, max(result.elapsed_s, 1e-9)
    events = tally.events
    return {
        "ok": result.is_good,
        "seed": options.seed,
        "was_stopped": result.was_stopped,
        "elapsed_s": round(elapsed_s, 3),
        "requests": tally.request_count,
        "requests_per_s": round(tally.request_count / elapsed_s, 1),
        "questions_per_s": round(events["questions"] / elapsed_s, 1),
        "chats": events["chats"],
        "pages_refused": events["pages_refused"],
        "questions": {
            "asked": events["questions"],
            "admitted": events["questions_admitted"],
            "refused": events["questions_refused"],
        },
        "finishes": {
            "sent": events["finishes"],
            "copies": events["copies"],
            "never_sent": events["answers_lost"],
            "by_shape": dict(sorted(tally.shapes.items())),
        },
        "latency_ms": {
            hook: milliseconds(latency) for hook in HOOKS if (latency := tally.latency(hook))
        },
        "refusals": [
            {"hook": hook, "code": code, "count": count}
            for (hook, code), count in tally.refusals.most_common()
        ],
        "contract": _contract(result),
        "ledger": _ledger(result),
    }


def milliseconds(latency: Latency) -> Mapping[str, float]:
    """``{"count": …, "p50": …, …, "max": …}``."""
    named = zip(PERCENTILES, latency.percentiles, strict=True)
    shares = {f"p{share:g}": round(value, 2) for share, value in named}
    return {"count": latency.count, **shares, "max": round(latency.longest, 2)}


def _contract(result: Result) -> Document:
    tally = result.tally
    return {
        "ok": result.is_contract_kept,
        "violations": [
            {"hook": hook, "kind": kind, "count": count, "meaning": VIOLATIONS[kind]}
            for (hook, kind), count in tally.violations.most_common()
        ],
        "samples": list(tally.samples),
    }


def _ledger(result: Result) -> Document:
    due, booked = result.tally.due.values(), result.booked.values()
    sent: Document = {"visitors": len(due), "points_sent": format_nano(sum(d.points for d in due))}
    if result.differences is None:
        return {"checked": False, "ok": None, **sent}
    return {
        "checked": True,
        "ok": result.is_ledger_equal,
        **sent,
        "points_booked": format_nano(sum(held.points for held in booked)),
        "charged": format_nano(sum(held.charge for held in booked)),
        "questions_booked": sum(held.questions for held in booked),
        "differences": [
            {
                "subject": found.subject,
                "what": found.what,
                "expected": found.expected,
                "booked": found.booked,
                "hint": found.hint,
            }
            for found in result.differences
        ],
    }
