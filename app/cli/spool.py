"""``shareauth spool``: finishes that wait on this machine's disk for the database."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

import click

from app import config
from app.cli.frame import Group, Report
from app.cli.output import card, iso, table
from app.cli.session import Desk, with_desk
from app.errors import NotFound, ServiceError
from app.spool import record
from app.spool.aside import Rejected
from app.spool.record import LinesIncomplete, Record
from app.spool.spool import Spool
from app.turns.drain import Drained

STATEMENT_TIMEOUT_S = 30.0
BODY_SHOWN_MAX = 2000
PASSES_WITHOUT_PROGRESS_MAX = 3

spool = Group(
    "spool",
    help="While the database is away, finishes are answered and kept here, sealed, and settled as "
    "of their arrival when it is back: by the service itself, every second. The spool is of one "
    "machine: run these commands on it, as the user of the service.",
)


class NotInSpool(NotFound):
    """The spool has no record of that reference."""

    code = "not_in_spool"


@spool.command("status", example="shareauth spool status")
def status() -> Report:
    """Say how much waits, since when, and how full the spool is."""
    desk = Desk(config.load())
    found = _spool(desk).status()
    waited_s = int((desk.now - found.oldest_at).total_seconds()) if found.oldest_at else 0
    data = {
        "directory": str(desk.settings.spool_directory),
        "records": found.records,
        "bytes": found.size_bytes,
        "oldest_at": iso(found.oldest_at),
        "oldest_seconds": waited_s,
        "full_percent": round(found.fullness * 100),
        "rejected": found.rejected,
        "damaged": found.damaged,
    }
    return Report(data, [card(data)])


@spool.command("list", example="shareauth spool list")
@click.option("--rejected", is_flag=True, help="What was set aside instead, and why.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
def list_(*, rejected: bool, limit: int) -> Report:
    """List what waits, in order of arrival.

    What is set aside could not be settled for a reason that waiting does not mend: nobody's link,
    or sealed under another secret key. Correct the reason, then `shareauth spool replay`.
    """
    desk = Desk(config.load())
    box = _spool(desk)
    if rejected:
        rows = [_described_rejection(box, one) for one in box.rejected()[:limit]]
        damaged = [str(path) for path in box.damaged()]
        return Report({"rejected": rows, "damaged": damaged}, _shown(rows, damaged))
    waiting = box.waiting()
    rows = [_described(_opened(box, entry.read_payload())) for entry in waiting[:limit]]
    return Report({"waiting": len(waiting), "finishes": rows}, _shown(rows, []))


@spool.command("show", example="shareauth spool show k3v7q2m4xa")
@click.argument("reference", help="The reference of the finish.")
@click.option("--body", "to_stdout", is_flag=True, help="Write the whole body to stdout instead.")
def show(reference: str, *, to_stdout: bool) -> Report:
    """Show one finish, waiting or set aside, and the beginning of its body.

    The body holds a visitor's token and what they asked and were answered: it is confidential.
    """
    desk = Desk(config.load())
    finish = _find(_spool(desk), reference)
    if to_stdout:
        sys.stdout.buffer.write(finish.body)
        return Report({}, [], is_silent=True)
    data = _described(finish)
    text = finish.body.decode("utf-8", "replace")
    return Report(data | {"body": text}, [card(data), "", text[:BODY_SHOWN_MAX]])


@spool.command("replay", example="shareauth spool replay")
@click.argument("references", nargs=-1, help="Set-aside finishes to try once more.")
@click.option("--rejected", "with_rejected", is_flag=True, help="All that are set aside.")
@with_desk
def replay(desk: Desk, references: Sequence[str], *, with_rejected: bool) -> Report:
    """Settle everything that waits, now; set-aside finishes too, when asked to.

    The service does the first part by itself. Replaying is safe at any time: what is in the books
    already is found there and charged once.
    """
    from app.runtime import Runtime  # noqa: PLC0415 - it brings the whole service along

    with _logs_on_stderr():
        runtime = Runtime.build(desk.settings, statement_timeout_s=STATEMENT_TIMEOUT_S)
        try:
            chosen = _chosen(runtime.spool, references, with_all=with_rejected)
            runtime.spool.take_back(chosen, desk.now)
            passes = list(_passes(lambda: runtime.drain.run(desk.now)))
            waiting = runtime.spool.status().records
        finally:
            runtime.close()
    outcomes = {
        name: sum(one.outcomes.get(name, 0) for one in passes)
        for name in ("recorded", "replayed", "quarantined", "rejected")
    }
    data = {**outcomes, "waiting": waiting, "state": passes[-1].state}
    return Report(data, [card(data)], exit_code=1 if waiting else 0)


@spool.command("export", example="shareauth spool export spool.txt")
@click.argument(
    "file", type=click.File("w", encoding="ascii"), default="-", help="Default: stdout."
)
@click.option("--rejected", is_flag=True, help="What is set aside, too.")
def export(file: TextIO, *, rejected: bool) -> Report:
    """Write every waiting finish, sealed, as lines that `import` reads; nothing is removed."""
    box = _spool(Desk(config.load()))
    payloads = [entry.read_payload() for entry in box.waiting()]
    if rejected:
        payloads += [one.payload for one in box.rejected()]
    for number, payload in enumerate(payloads, 1):
        opened = _opened(box, payload)
        reference = f"unreadable{number}" if opened is None else opened.reference
        file.writelines(f"{line}\n" for line in record.to_lines(reference, payload))
    is_stdout = file.name in {"-", "<stdout>"}
    return Report({"exported": len(payloads)}, [f"{len(payloads)} written."], is_silent=is_stdout)


@spool.command("import", example="shareauth spool import service.log")
@click.argument(
    "file", type=click.File("r", encoding="utf-8", errors="replace"), help="A file, or - for stdin."
)
def import_(file: TextIO) -> Report:
    """Spool the sealed finishes in a file: an export, or a log of this service.

    When neither the database nor the spool could take a finish, the log has it as lines with
    `sealed-finish:`. Importing twice is safe: what is in the books is charged once.
    """
    desk = Desk(config.load())
    box = _spool(desk)
    imported: list[str] = []
    problems: list[str] = []
    with _logs_on_stderr():
        try:
            for payload in record.from_lines(file):
                try:
                    finish = box.open(payload)
                except ServiceError as error:
                    problems.append(error.message)
                    continue
                box.append_sealed(payload, finish, lane="known", now=desk.now)
                imported.append(finish.reference)
        except LinesIncomplete as error:
            problems.append(error.message)
        finally:
            box.close()
    data = {"imported": imported, "problems": problems}
    said = f"{len(imported)} spooled; the service settles them within seconds."
    return Report(data, [said, *problems], exit_code=1 if problems else 0)


def _logs_on_stderr() -> contextlib.redirect_stdout[TextIO]:
    """What the spool and its drain log is not the report: stdout is for that alone."""
    return contextlib.redirect_stdout(sys.stderr)


def _spool(desk: Desk) -> Spool:
    settings = desk.settings
    return Spool(settings.spool_directory, keys=desk.keys, bytes_max=settings.spool.bytes_max)


def _passes(run: Callable[[], Drained]) -> Iterator[Drained]:
    """Drain until nothing is left, or nothing more can be done now."""
    idle = 0
    while idle < PASSES_WITHOUT_PROGRESS_MAX:
        done = run()
        yield done
        if done.state != "drained":
            return
        idle = 0 if done.total else idle + 1


def _chosen(box: Spool, references: Sequence[str], *, with_all: bool) -> list[Rejected]:
    rejected = box.rejected()
    opened = {one.path: _opened(box, one.payload) for one in rejected}
    readable = [one for one in rejected if opened[one.path] is not None]
    if with_all:
        return readable
    by_reference = {getattr(opened[one.path], "reference", None): one for one in readable}
    if missing := [reference for reference in references if reference not in by_reference]:
        raise NotInSpool(f"nothing that can be read is set aside as {', '.join(missing)}")
    return [by_reference[reference] for reference in references]


def _find(box: Spool, reference: str) -> Record:
    payloads = [entry.read_payload() for entry in box.waiting()]
    payloads += [one.payload for one in box.rejected()]
    for payload in payloads:
        finish = _opened(box, payload)
        if finish is not None and finish.reference == reference:
            return finish
    raise NotInSpool(f"the spool has no finish with the reference {reference!r}")


def _opened(box: Spool, payload: bytes) -> Record | None:
    try:
        return box.open(payload)
    except ServiceError:
        return None


def _described(finish: Record | None) -> dict[str, Any]:
    if finish is None:
        return {"reference": None, "received_at": None, "door": None, "body_bytes": None}
    return {
        "reference": finish.reference,
        "received_at": iso(finish.received_at),
        "door": "key" if finish.link_key is not None else finish.link_name,
        "body_bytes": len(finish.body),
    }


def _described_rejection(box: Spool, rejected: Rejected) -> dict[str, Any]:
    told = {"reason": rejected.reason, "rejected_at": iso(rejected.rejected_at)}
    return {**_described(_opened(box, rejected.payload)), **told, "file": str(rejected.path)}


def _shown(rows: list[dict[str, Any]], damaged: list[str]) -> list[object]:
    shown = table(
        ["reference", "received (UTC)", "door", "bytes>", "reason"],
        [
            [
                row["reference"],
                row["received_at"],
                row["door"],
                row["body_bytes"],
                row.get("reason"),
            ]
            for row in rows
        ],
        empty="Nothing is here.",
    )
    return [shown, *(f"Damaged bytes are kept in {path}." for path in damaged)]
