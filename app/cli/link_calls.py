"""``shareauth links calls``: what FastGPT sent lately to a link, and what is wrong with that."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.cli.frame import Report
from app.cli.output import iso, local, table
from app.cli.session import Desk
from app.links.models import Link
from app.sightings import store
from app.sightings.diagnosis import Diagnosed, diagnose
from app.sightings.store import Seen

STRAYS_SINCE = timedelta(days=1)
STRAYS_SHOWN = 10


def report_calls(desk: Desk, link: Link) -> Report:
    """All calls of the link by hook and answer, below what they tell."""
    zone = desk.settings.zone
    with desk.db.read() as session:
        seen = store.list_calls(session, link.id)
        strays = store.list_strays(session, since=desk.now - STRAYS_SINCE, limit=STRAYS_SHOWN)

    def show_time(at: datetime) -> str:
        return local(at, zone) or ""

    findings = diagnose(seen, now=desk.now, strays=strays, show_time=show_time)
    shown = table(
        ["hook", "answer", "times>", "last", "from", "called", "FastGPT", "reference"],
        [
            [
                one.hook,
                one.code,
                one.count,
                show_time(one.last_at),
                one.address,
                one.called,
                one.generation,
                one.reference,
            ]
            for one in seen
        ],
        empty="No call yet.",
    )
    data = {
        "link": link.name,
        "findings": [_finding(one) for one in findings],
        "calls": _calls(seen),
    }
    return Report(data, [*[_sentence(one) for one in findings], "", shown])


def _sentence(finding: Diagnosed) -> str:
    does_matter = finding.level != "note"
    return f"{finding.level}: {finding.says}" + (f" {finding.do}" if does_matter else "")


def _finding(finding: Diagnosed) -> dict[str, str]:
    return {
        "code": finding.code,
        "level": finding.level,
        "says": finding.says,
        "do": finding.do,
    }


def _calls(seen: Sequence[Seen]) -> list[dict[str, Any]]:
    return [
        {
            "hook": one.hook,
            "code": one.code,
            "count": one.count,
            "first_at": iso(one.first_at),
            "last_at": iso(one.last_at),
            "reference": one.reference,
            "address": one.address,
            "called": one.called,
            "generation": one.generation,
        }
        for one in seen
    ]
