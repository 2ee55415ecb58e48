"""``shareauth ledger verify`` and ``export-proof``: are the books right, and who may check that."""

from datetime import datetime, timedelta
from pathlib import Path

import click

from app import __version__
from app.cli.frame import Command, Report
from app.cli.inputs import When
from app.cli.output import card, table
from app.cli.session import Desk, with_desk
from app.ledger.verify import Finding
from app.spool.spool import Spool
from app.statements import proof, selfaudit, verification
from app.statements.selfaudit import Surroundings
from app.statements.verification import Verification


@click.command("verify", cls=Command, example="shareauth ledger verify")
@click.option(
    "--since",
    type=When(),
    metavar="TIME",
    help="Only what was written from then on, such as 2026-12-01T00:00:00+08:00; what came before "
    "is believed. Faster, for once in between; leaves out daily sums and heads.",
)
@with_desk
def verify(desk: Desk, *, since: datetime | None) -> Report:
    """Derive every balance, sum and hash anew and say what is wrong, if anything.

    Reads one snapshot, so the service may run meanwhile. Ends with exit code 1 when the books are
    wrong. `heads` digests where every chain ends: note it somewhere else, and it proves later that
    nobody rewrote the ledger from its beginning.

    Then looks around the books: balances in Redis against them, answers without a price,
    questions without a finish, unreadable finishes that nobody resolved, and this machine's spool.
    What it finds there are warnings: no charge is wrong because of them, but somebody should look.
    """
    found = verification.verify(desk.db, zone=desk.settings.zone, since=since)
    around = Surroundings(
        gate=desk.gate,
        reload=timedelta(seconds=desk.settings.admission.reload_s),
        spool=_spool(desk).status(),
        zone=desk.settings.zone,
    )
    warnings = list(selfaudit.audit(desk.db, around, since=since, now=desk.now))
    data = {**found.as_json(), "warnings": [one.as_json() for one in warnings]}
    shown = _shown(found)
    if warnings:
        shown += ["", table(["code", "what to look at"], _rows(warnings), empty="")]
    return Report(data, shown, exit_code=0 if found.ok else 1)


@click.command("export-proof", cls=Command, example="shareauth ledger export-proof --out books.zip")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PLACE",
    help="A directory that does not exist yet, or a file that ends in .zip. "
    "Default: shareauth-proof-<time>.zip.",
)
@click.option(
    "--with-words",
    is_flag=True,
    help="Also who made each change, why, and its details; the proof then names people.",
)
@with_desk
def export_proof(desk: Desk, *, out: Path | None, with_words: bool) -> Report:
    """Write what an outside auditor needs to derive every balance and hash without this program.

    Accounts, transactions with everything their hashes cover, usage in numbers, totals, and a
    checker of sixty lines that needs Python alone. Users are numbers in it, and there is no
    content. Reads one snapshot, while the service runs; note `digest` somewhere else. See
    docs/proof.md.
    """
    place = out or Path(f"shareauth-proof-{desk.now:%Y%m%dT%H%M%SZ}.zip")
    written = proof.export(
        desk.db,
        place,
        software=f"shareauth {__version__}",
        now=desk.now,
        with_words=with_words,
    )
    data = {"place": str(written.place), "digest": written.digest, "manifest": written.manifest}
    shown = {
        "place": data["place"],
        "digest": data["digest"],
        "heads": written.manifest["heads"],
    }
    check = f"python3 {place}/check.py {place}"
    if place.is_file():
        check = f"unzip -p {place} check.py > check.py && python3 check.py {place}"
    return Report(data, [card(shown), "", f"Check it: {check}"])


def _shown(found: Verification) -> list[object]:
    counts = f"{found.wallets} wallets, {found.transactions} transactions, {found.events} answers"
    if found.ok:
        said = f"The ledger is sound: {counts}; everything adds up."
        return [said, card({"heads": found.heads})]
    many = "More than " if found.is_truncated else ""
    said = f"{many}{len(found.findings)} findings in {counts}."
    return [said, table(["code", "what is wrong"], _rows(found.findings), empty="")]


def _rows(findings: tuple[Finding, ...] | list[Finding]) -> list[list[object]]:
    return [[finding.code, finding.message] for finding in findings]


def _spool(desk: Desk) -> Spool:
    settings = desk.settings
    return Spool(settings.spool_directory, keys=desk.keys, bytes_max=settings.spool.bytes_max)
