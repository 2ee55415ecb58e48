"""``/findings``."""

from app.admin.api.section import Section
from app.admin.desk import Desk
from app.admin.resources import self_audit
from app.admin.resources.self_audit import FindingPage, FindingQuery

section = Section("self_audit", "Findings")


@section.get("/findings", permission="findings:read")
def list_findings(desk: Desk, query: FindingQuery) -> FindingPage:
    """List what the self-audit found, newest first, and when it last looked."""
    return self_audit.index(desk, query)
