"""``shareauth codes``: redemption codes, each worth an amount to whoever bears it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.frame import Group, Report
from app.cli.inputs import Amount, Duration, LastTime, by_clock
from app.cli.output import amount as decimal
from app.cli.output import card, iso, local, table
from app.cli.people import find_user, subject_argument
from app.cli.session import Desk, validated, with_desk
from app.codes import commands, notation, store
from app.codes.commands import BatchSpec
from app.codes.models import CodeBatch
from app.codes.store import ListedCode
from app.errors import Conflict, NotFound
from app.funding import redeem as redemption
from app.funding.redeem import Ask
from app.moments import good_until

codes = Group(
    "codes",
    help="Codes such as ABCD-EFGH-JKMN-PQRS-T are made in batches, printed or sent, and each is "
    "redeemed once, into the wallet of who types it. They are kept as digests; until they are "
    "printed also sealed, for 30 days at most.",
)

_name_argument = click.argument("name", help="The batch, as `codes list` shows it.")
_reason_option = click.option("--reason", metavar="TEXT", help="Why, for the audit journal.")


@codes.command(
    "create", example="shareauth codes create spring-2026 --amount 20 --count 500 --for 90d"
)
@click.argument("name", help="What you call the batch; unique. Users see it on their statement.")
@click.option("--amount", type=Amount(), required=True, help="What each code is worth.")
@click.option(
    "--count", type=click.IntRange(1, commands.COUNT_MAX), required=True, help="How many codes."
)
@click.option(
    "--until",
    type=LastTime(),
    metavar="TIME",
    help="Valid until the end of 2026-12-31, or until 2026-12-31T18:00 (by service.time_zone).",
)
@click.option("--for", "lasts", type=Duration(), metavar="TIME", help="They expire after 90d.")
@click.option(
    "--per-user",
    type=click.IntRange(1, commands.COUNT_MAX),
    help="How many of them one user may redeem; default: any number, as with gift cards. 1 for "
    "give-aways.",
)
@click.option(
    "--granted",
    is_flag=True,
    help="They give granted credit, which is spent before paid credit, instead of paid credit.",
)
@click.option(
    "--credit-until",
    type=LastTime(),
    metavar="TIME",
    help="With --granted: the credit is good until the end of that day.",
)
@click.option(
    "--credit-days",
    type=click.IntRange(1, commands.DAYS_MAX),
    metavar="N",
    help="Or: until the end of so many days after it is redeemed. Default: for ever.",
)
@click.option(
    "--priority",
    type=click.IntRange(0, commands.PRIORITY_MAX),
    metavar="N",
    help="With --granted: of several grants the lowest is spent first. Default: 50.",
)
@click.option("--note", metavar="TEXT", help="For yourself.")
@with_desk
def create(
    desk: Desk,
    name: str,
    *,
    until: datetime | None,
    lasts: timedelta | None,
    **typed: Any,  # noqa: ANN401 - the options above
) -> Report:
    """Make a batch of codes. `codes print` shows them; nothing else does."""
    if until is not None and lasts is not None:
        raise click.UsageError("Say --until or --for, not both.")
    expires_at = by_clock(until, desk.settings.zone) if until else None
    values = {
        "name": name,
        "amount": typed["amount"],
        "count": typed["count"],
        "currency": desk.settings.billing.currency,
        "expires_at": desk.now + lasts if lasts else expires_at,
        "per_user_max": typed["per_user"],
        "note": typed["note"],
        "credit": _credit(desk, typed),
    }
    with desk.db.begin() as session:
        spec = validated(BatchSpec, values)
        batch = commands.create(session, spec, keys=desk.keys, actor=desk.actor, now=desk.now)
        data = _described(batch, redeemed=0)
    said = f"{batch.count} codes are made. Print them: shareauth codes print {batch.name}"
    return Report(data, [said, card(_shown(desk, batch, redeemed=0))])


@codes.command("list", example="shareauth codes list")
@with_desk
def list_(desk: Desk) -> Report:
    """List the newest hundred batches."""
    with desk.db.read() as session:
        counted = store.list_batches(session)
    data = {"batches": [_described(one.batch, redeemed=one.redeemed) for one in counted]}
    rows = [
        [
            one.batch.name,
            _status(desk, one.batch),
            decimal(one.batch.amount),
            one.batch.currency,
            one.batch.count,
            one.redeemed,
            _until(desk, one.batch.expires_at),
        ]
        for one in counted
    ]
    headings = ["name", "status", "amount>", "", "codes>", "redeemed>", "valid until"]
    return Report(data, [table(headings, rows, empty="There are none: `shareauth codes create`.")])


@codes.command("show", example="shareauth codes show spring-2026")
@_name_argument
@click.option("--after", type=int, default=0, metavar="N", help="Codes after this number.")
@with_desk
def show(desk: Desk, name: str, *, after: int) -> Report:
    """Show one batch and who redeemed its codes, a hundred at a time; no code is shown."""
    with desk.db.read() as session:
        batch = store.get_batch(session, name)
        redeemed = store.count_redeemed(session, batch.id)
        used = store.list_codes(session, batch.id, is_redeemed=True, after_serial=after)
    data = {**_described(batch, redeemed=redeemed), "codes": [_described_code(c) for c in used]}
    zone = desk.settings.zone
    rows = [[c.serial, c.subject, local(c.redeemed_at, zone), c.transaction_id] for c in used]
    headings = ["no>", "redeemed by", "at", "transaction>"]
    shown = table(headings, rows, empty="None is redeemed yet." if after == 0 else "No more.")
    return Report(data, [card(_shown(desk, batch, redeemed=redeemed)), "", shown])


@codes.command("find", example="shareauth codes find ABCD-EFGH-JKMN-PQRS-T")
@click.argument("code", required=False, help="As on the card; asked for when it is left out.")
@with_desk
def find(desk: Desk, code: str | None) -> Report:
    """Say which code of which batch it is, and who has redeemed it; for whoever asks about it."""
    digest = desk.keys.code_digest(notation.parse(code or click.prompt("Code", err=True)))
    with desk.db.read() as session:
        found = store.find_code(session, digest)
    if found is None:
        raise NotFound("no code reads like this", code="code_unknown")
    one, batch = found.code, found.batch
    data = {"batch": batch.name, "status": batch.status, **_described_code(one)}
    shown = {
        "code": f"{one.serial} of {batch.name}",
        "batch is": _status(desk, batch),
        "redeemed by": one.subject or "nobody",
        "at": local(one.redeemed_at, desk.settings.zone),
        "transaction": one.transaction_id,
    }
    return Report(data, [card(shown)])


@codes.command("print", example="shareauth codes print spring-2026 --out spring-2026.txt")
@_name_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write them there, one a line, in a new file that only you may read.",
)
@click.option(
    "--done", is_flag=True, help="Show nothing: all are printed, and their text can be forgotten."
)
@with_desk
def print_(desk: Desk, name: str, *, out: Path | None, done: bool) -> Report:
    """Show the codes of a batch that nobody has redeemed. Whoever sees them can spend them.

    It may be repeated until all are printed: for 30 days, or until `--done` says so. Each time is
    noted in the audit journal.
    """
    if done and out is not None:
        raise click.UsageError("Say --out or --done, not both.")
    with desk.db.begin() as session:
        batch = store.get_batch(session, name)
        if done:
            commands.confirm_printed(session, batch, actor=desk.actor, now=desk.now)
            said = f"The codes of {name} are forgotten; they can be redeemed, and not shown again."
            return Report({"name": name, "printable_until": None}, [said])
        printable = commands.load_printable(
            session, batch, keys=desk.keys, actor=desk.actor, now=desk.now
        )
        each, credit = _sheet(desk, batch), commands.describe(batch)["credit"]
    if out is not None:
        _write(out, [one.text for one in printable])
        said = f"{len(printable)} codes are in {out}."
        return Report({"name": name, "file": str(out), "count": len(printable)}, [said])
    listed = [{"serial": one.serial, "code": one.text} for one in printable]
    data = {"name": name, "credit": credit, "codes": listed}
    rows = [[one.serial, one.text] for one in printable]
    return Report(data, [each, "", table(["no>", "code"], rows, empty="All are redeemed.")])


@codes.command("pause", example="shareauth codes pause spring-2026 --reason 'cards were stolen'")
@_name_argument
@_reason_option
@with_desk
def pause(desk: Desk, name: str, reason: str | None) -> Report:
    """Refuse the codes of a batch until `codes resume`."""
    return _set_paused(desk, name, reason, paused=True)


@codes.command("resume", example="shareauth codes resume spring-2026")
@_name_argument
@_reason_option
@with_desk
def resume(desk: Desk, name: str, reason: str | None) -> Report:
    """Take the codes of a paused batch again."""
    return _set_paused(desk, name, reason, paused=False)


@codes.command("cancel", example="shareauth codes cancel spring-2026 --reason 'misprint'")
@_name_argument
@_reason_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_desk
def cancel(desk: Desk, name: str, reason: str | None, *, yes: bool) -> Report:
    """Make the codes of a batch worthless, for good. What was redeemed stays redeemed."""
    with desk.db.read() as session:
        batch = store.get_batch(session, name)
        left = batch.count - store.count_redeemed(session, batch.id)
    if not yes:
        click.confirm(f"Make {left} codes worthless, for good?", abort=True, err=True)
    with desk.db.begin() as session:
        batch = store.get_batch(session, name)
        commands.cancel(session, batch, actor=desk.actor, now=desk.now, reason=reason)
        return _changed(session, batch)


@codes.command("redeem", example="shareauth codes redeem alice ABCD-EFGH-JKMN-PQRS-T")
@subject_argument
@click.argument("code", required=False, help="As on the card; asked for when it is left out.")
@with_desk
def redeem(desk: Desk, subject: str, code: str | None, issuer: str | None) -> Report:
    """Redeem a code for a user, whose next question sees it. Repeating it changes nothing."""
    with desk.db.read() as session:
        user = find_user(session, subject, issuer)
    settings = desk.settings
    typed = code or click.prompt("Code", err=True)
    ask = Ask(user.id, typed, settings.billing.currency, settings.zone)
    done = redemption.redeem(desk.db, ask, keys=desk.keys, actor=desk.actor, now=desk.now)
    funded = done.funded
    desk.gate.set_balance(funded.user_id, funded.balance, funded.version)
    data = {
        "transaction": funded.transaction_id,
        "subject": user.subject,
        "uid": user.uid,
        "batch": done.batch,
        "serial": done.serial,
        "amount": decimal(done.amount),
        "balance": decimal(funded.balance),
        "currency": done.currency,
        "is_granted": done.terms is not None,
        "expires_at": None if done.terms is None else iso(done.terms.expires_at),
        "is_replay": funded.is_replay,
    }
    said = "Redeemed before; nothing changed." if funded.is_replay else "Redeemed."
    shown = {
        "code": f"{done.serial} of {done.batch}",
        "amount": data["amount"],
        "balance": f"{data['balance']} {done.currency}",
        "good until": _until(desk, None if done.terms is None else done.terms.expires_at),
    }
    return Report(data, [said, card(shown)])


def _sheet(desk: Desk, batch: CodeBatch) -> str:
    """What stands above codes that are printed: what each gives, and until when."""
    said = f"Each: {decimal(batch.amount)} {batch.currency}, {_gives(desk, batch)}"
    until = _until(desk, batch.expires_at)
    return said if until is None else f"{said}. To be redeemed until and including {until}."


def _set_paused(desk: Desk, name: str, reason: str | None, *, paused: bool) -> Report:
    with desk.db.begin() as session:
        batch = store.get_batch(session, name)
        commands.set_paused(
            session, batch, paused=paused, actor=desk.actor, now=desk.now, reason=reason
        )
        return _changed(session, batch)


def _changed(session: Session, batch: CodeBatch) -> Report:
    redeemed = store.count_redeemed(session, batch.id)
    return Report(_described(batch, redeemed=redeemed), [f"{batch.name} is {batch.status}."])


def _described(batch: CodeBatch, *, redeemed: int) -> dict[str, Any]:
    return {
        "id": batch.id,
        **commands.describe(batch),
        "redeemed": redeemed,
        "expires_at": iso(batch.expires_at),
        "printable_until": iso(batch.printable_until),
        "created_at": iso(batch.created_at),
        "created_by": batch.created_by,
    }


def _described_code(code: ListedCode) -> dict[str, Any]:
    return {
        "serial": code.serial,
        "redeemed_by": code.subject,
        "redeemed_at": iso(code.redeemed_at),
        "transaction": code.transaction_id,
    }


def _shown(desk: Desk, batch: CodeBatch, *, redeemed: int) -> dict[str, object]:
    zone = desk.settings.zone
    return {
        "name": batch.name,
        "status": _status(desk, batch),
        "each": f"{decimal(batch.amount)} {batch.currency}",
        "gives": _gives(desk, batch),
        "codes": batch.count,
        "redeemed": redeemed,
        "per user": batch.per_user_max,
        "valid until": _until(desk, batch.expires_at),
        "printable until": local(batch.printable_until, zone),
        "note": batch.note,
        "created": f"{local(batch.created_at, zone)} by {batch.created_by}",
    }


def _credit(desk: Desk, typed: dict[str, Any]) -> dict[str, Any] | None:
    """The terms of granted credit; None for paid credit."""
    until, days, priority = typed["credit_until"], typed["credit_days"], typed["priority"]
    if not typed["granted"]:
        if (until, days, priority) != (None, None, None):
            raise click.UsageError("--credit-until, --credit-days and --priority want --granted.")
        return None
    if until is not None and days is not None:
        raise click.UsageError("Say --credit-until or --credit-days, not both.")
    return {
        "priority": commands.PRIORITY if priority is None else priority,
        "expires_at": by_clock(until, desk.settings.zone) if until else None,
        "days": days,
    }


def _gives(desk: Desk, batch: CodeBatch) -> str:
    """What each code of the batch gives, for people."""
    if batch.credit_priority is None:
        return "paid credit"
    given = f"granted credit of priority {batch.credit_priority}"
    if batch.credit_until is not None:
        return f"{given}, good until and including {_until(desk, batch.credit_until)}"
    if batch.credit_days is not None:
        return f"{given}, good for {batch.credit_days} days after redeeming"
    return f"{given}, for ever"


def _until(desk: Desk, over: datetime | None) -> str | None:
    return None if over is None else good_until(over, desk.settings.zone)


def _status(desk: Desk, batch: CodeBatch) -> str:
    is_over = batch.expires_at is not None and batch.expires_at <= desk.now
    return "expired" if is_over and batch.status != commands.CANCELLED else batch.status


def _write(place: Path, lines: list[str]) -> None:
    try:
        place.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Conflict(f"{place} is there already: choose another", code="file_exists") from None
    place.write_text("".join(f"{line}\n" for line in lines), "ascii")
