"""``shareauth doctor``: everything the service needs, checked from where it stands."""

from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.table import Table

from app import config
from app.checks.examine import examine
from app.checks.finding import Finding, failed
from app.cli.frame import Command, Report
from app.cli.output import cell
from app.cli.session import Desk
from app.config import SettingsError


@click.command("doctor", cls=Command, example="shareauth doctor")
@click.option("--offline", is_flag=True, help="Leave out what calls other machines over HTTP.")
def doctor(*, offline: bool) -> Report:
    """Check what the service needs, and say what to do about each thing that is wrong.

    Settings, data directory, database, Redis, the spool, issuers' keys, the address FastGPT is
    given, prices, links, the ledger, reports and missing finishes. Changes nothing. Ends with exit
    code 1 when something has failed; a warning is not a failure.
    """
    findings = list(_examine(offline=offline))
    is_ok = all(finding.status != "failed" for finding in findings)
    data = {"ok": is_ok, "findings": [asdict(finding) for finding in findings]}
    return Report(data, [_table(findings), "", _summary(findings)], exit_code=0 if is_ok else 1)


def _examine(*, offline: bool) -> Iterator[Finding]:
    try:
        desk = Desk(config.load())
    except SettingsError as error:
        yield failed("SA001", "settings", error.message, "Correct them; see config.example.toml.")
        return
    try:
        yield from examine(desk, offline=offline)
    finally:
        desk.close()


def _table(findings: list[Finding]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("id", "check", "status", "what was found"):
        shown.add_column(heading, no_wrap=heading in {"id", "status"}, overflow="fold")
    for finding in findings:
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        said = cell(finding.message + advice)
        shown.add_row(cell(finding.id), cell(finding.check), cell(finding.status), said)
    return shown


def _summary(findings: list[Finding]) -> str:
    counts = {
        status: sum(finding.status == status for finding in findings)
        for status in ("failed", "warning")
    }
    if not any(counts.values()):
        return "All is well."
    return f"{counts['failed']} failed, {counts['warning']} warnings: each says what to do."
