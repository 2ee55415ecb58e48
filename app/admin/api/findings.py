"""``/spool``, ``/quarantine``, ``/open-questions``, ``/unfinished`` and ``/checks``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import findings, open_questions
from app.admin.resources.findings import (
    AsideList,
    CheckList,
    CheckQuery,
    QuarantineBodyOut,
    QuarantinedOut,
    QuarantinePage,
    QuarantineQuery,
    ReplayIn,
    ReplayOut,
    ResolveIn,
    SpoolOut,
    UnfinishedPage,
    UnfinishedQuery,
)
from app.admin.resources.open_questions import OpenQuestionsOut

section = Section("findings", "Findings")


@section.get("/spool", permission="findings:read")
def get_spool(desk: Desk) -> SpoolOut:
    """Say how much waits in the spool of the machine that answers."""
    return findings.spool(desk)


@section.get("/spool/aside", permission="findings:read")
def list_aside(desk: Desk) -> AsideList:
    """List finishes that are set aside on the machine that answers."""
    return findings.aside(desk)


@section.post("/spool/replay", permission="findings:write")
def replay_spool(desk: Desk, body: ReplayIn) -> ReplayOut:
    """Put finishes that are set aside back into the spool.

    The service settles them within seconds; what is in the books already is charged once.
    """
    return findings.replay(desk, body)


@section.get("/quarantine", permission="findings:read")
def list_quarantine(desk: Desk, query: QuarantineQuery) -> QuarantinePage:
    """List finishes that could not be recorded, newest first."""
    return findings.quarantine(desk, query)


@section.get("/quarantine/<reference>", permission="findings:read")
def get_quarantined(desk: Desk, reference: str) -> QuarantinedOut:
    """Show one of them, without its body."""
    return findings.quarantined(desk, reference)


@section.get("/quarantine/<reference>/body", permission="findings:write")
def get_quarantined_body(desk: Desk, reference: str) -> QuarantineBodyOut:
    """Show its body with all content masked: numbers, models and node kinds are left."""
    return findings.quarantined_body(desk, reference)


@section.post("/quarantine/<reference>/resolve", permission="findings:write")
def resolve_quarantined(desk: Desk, reference: str, body: ResolveIn) -> QuarantinedOut:
    """Note what was done about it; it then no longer counts as open."""
    return findings.resolve(desk, reference, body)


@section.get("/open-questions", permission="findings:read")
def list_open_questions(desk: Desk) -> OpenQuestionsOut:
    """Show the questions that wait for their finish now."""
    return open_questions.show(desk)


@section.get("/unfinished", permission="findings:read")
def list_unfinished(desk: Desk, query: UnfinishedQuery) -> UnfinishedPage:
    """List questions whose finish did not come before their ticket expired, newest first."""
    return findings.unfinished(desk, query)


@section.get("/checks", permission="findings:read")
def run_checks(desk: Desk, query: CheckQuery) -> CheckList:
    """Check what the service needs, as `shareauth doctor` does."""
    return findings.checks(desk, offline=query.offline)
