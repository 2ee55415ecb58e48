"""``shareauth prices rerate``: price what was charged again, look at it first, then book it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from app.background import handlers
from app.background.rerate import KIND, Parameters
from app.cli.frame import Group, Report, wants_json
from app.cli.inputs import ClockTime, PriceTarget, by_clock
from app.cli.links import find_link
from app.cli.output import amount, iso, show, table
from app.cli.people import find_user, issuer_option
from app.cli.session import Desk, with_desk
from app.rerating import apply as booking
from app.rerating.apply import Booked, Order
from app.rerating.preview import Preview, UserSums, preview
from app.rerating.priced import PROBLEMS
from app.rerating.selection import Selection
from app.rerating.store import Owner
from app.rerating.tariff import Target

rerate = Group(
    "rerate",
    help="Price answers that were charged already again, by another version of the price book: "
    "after a wrong price, or when a contract changes for a past month. The usage is as it was "
    "recorded, and so are the multipliers of link and plan. Look at the `preview`, user by user; "
    "`apply` books each difference as an adjustment that names the answer, both versions and both "
    "charges. Charges themselves are never changed.",
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options select, as typed."""

    price: Target
    since: datetime
    until: datetime | None
    link: str | None
    user: str | None
    issuer: str | None


def _selects(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option(
            "--price",
            type=PriceTarget(),
            required=True,
            metavar="VERSION",
            help="A version's number, as `prices list` shows it; or in-force: for each answer the "
            "version that is in force at its time, as the list is now.",
        ),
        click.option(
            "--since",
            type=ClockTime(),
            required=True,
            metavar="TIME",
            help="Answers from then on: 2026-11-01, 2026-11-01T08:30 (by service.time_zone), or "
            "with an offset.",
        ),
        click.option(
            "--until",
            type=ClockTime(),
            metavar="TIME",
            help="Answers before then, such as 2026-12-01 for all of November; default: now.",
        ),
        click.option("--link", metavar="LINK", help="Only answers on this link (name or key)."),
        click.option("--user", metavar="SUBJECT", help="Only this user's (subject or uid)."),
    ]
    function = issuer_option(function)
    for option in reversed(options):
        function = option(function)
    return function


@rerate.command(
    "preview",
    example="shareauth prices rerate preview --since 2026-11-01 --until 2026-12-01 --price 7",
)
@_selects
@with_desk
def preview_(desk: Desk, **typed: Any) -> Report:  # noqa: ANN401 - the options above
    """Say what would change, user by user; nothing is booked.

    Reads one snapshot, so the service may run meanwhile. The difference is what a user would pay
    more (or, below zero, less) than now. The digest stands for every single change found: give it
    to `apply` as --expect, and what is booked is what was looked at.
    """
    asked = _Asked(**typed)
    found = _find(desk, asked, run=None)
    return Report(_data(desk, asked, found), [*_shown(desk, found), "", *_next_step(found)])


@rerate.command(
    "apply",
    example="shareauth prices rerate apply --since 2026-11-01 --until 2026-12-01 --price 7 \\\n"
    "  --expect 3f0c9a1b2d4e5f60 --reason 'GPT was priced twice too high'",
)
@_selects
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stays for ever.")
@click.option(
    "--expect",
    metavar="DIGEST",
    help="The digest of the preview that was looked at; anything else is refused.",
)
@click.option(
    "--allow-negative", is_flag=True, help="Even if a wallet's balance falls below zero by it."
)
@click.option(
    "--in-background",
    is_flag=True,
    help="Leave the booking to a worker process: `shareauth jobs show` says how far it is.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_desk
def apply_(
    desk: Desk,
    *,
    reason: str,
    expect: str | None,
    allow_negative: bool,
    in_background: bool,
    yes: bool,
    **typed: Any,  # noqa: ANN401 - the options above
) -> Report:
    """Book the differences, one adjustment for each answer whose price changes.

    Shows the preview and asks first. What ends it half-way does no harm: the same command again
    books what is missing, and when nothing is missing, nothing. Each adjustment can be undone by
    `ledger reverse`, and all of them by pricing the same answers by their old version.
    """
    if wants_json() and not yes:
        raise click.UsageError("With --json nobody is asked: look at the preview, then say --yes.")
    asked = _Asked(**typed)
    found = _find(desk, asked, run=expect)
    booking.check(found, expect=expect, allow_negative=allow_negative)
    if not _open_users(found):
        return _applied(desk, asked, found, [])
    if not yes:
        show([*_shown(desk, found), ""])
        click.confirm("Book these adjustments?", abort=True, err=True)
    if in_background:
        return _enqueued(desk, found, asked, reason=reason, allow_negative=allow_negative)
    order = Order(run=found.digest, currency=desk.settings.billing.currency, reason=reason)
    done: list[Booked] = []
    for booked in booking.apply(desk.db, found, order, actor=desk.actor, now=desk.now):
        desk.gate.set_balance(booked.user_id, booked.balance, booked.version)
        done.append(booked)
    return _applied(desk, asked, found, done)


def _enqueued(
    desk: Desk, found: Preview, asked: _Asked, *, reason: str, allow_negative: bool
) -> Report:
    selection = found.quest.selection
    parameters = Parameters(
        since=selection.since,
        until=selection.until,
        link_id=selection.link_id,
        user_id=selection.user_id,
        price=asked.price,
        reason=reason,
        expect=found.digest,
        allow_negative=allow_negative,
    )
    with desk.db.begin() as session:
        job = handlers.enqueue(
            session, KIND, parameters, actor=desk.actor, now=desk.now, reason=reason
        )
    said = f"Job {job.id} books what the preview {found.digest} says: shareauth jobs show {job.id}"
    return Report({**_data(desk, asked, found), "job": job.id}, [said])


def _find(desk: Desk, asked: _Asked, *, run: str | None) -> Preview:
    zone = desk.settings.zone
    with desk.db.read() as session:
        link_id = find_link(desk, session, asked.link).id if asked.link else None
        user_id = find_user(session, asked.user, asked.issuer).id if asked.user else None
    selection = Selection(
        since=by_clock(asked.since, zone),
        until=by_clock(asked.until, zone) if asked.until else desk.now,
        link_id=link_id,
        user_id=user_id,
    )
    return preview(desk.db, selection, asked.price, zone=zone, run=run)


def _open_users(found: Preview) -> list[UserSums]:
    return [user for user in found.users if user.open_months]


def _applied(desk: Desk, asked: _Asked, found: Preview, done: Sequence[Booked]) -> Report:
    adjustments = sum(one.adjustments for one in done)
    booked = sum(one.amount for one in done)
    currency = desk.settings.billing.currency
    data = {
        **_data(desk, asked, found),
        "booked": {
            "run": found.digest,
            "adjustments": adjustments,
            "wallets": len({one.user_id for one in done}),
            "amount": amount(booked),
        },
    }
    if not adjustments:
        return Report(data, ["Nothing to book: every answer costs that already."])
    said = (
        f"Booked {adjustments} adjustments in {data['booked']['wallets']} wallets, "
        f"{amount(booked)} {currency} in all. The run is {found.digest}."
    )
    notes = []
    if booked != (expected := found.total("to_book")):
        notes.append(
            f"The preview said {amount(expected)}: in between, answers were reversed, priced again "
            "or used up an allowance. `shareauth ledger statement` shows them."
        )
    return Report(data, [said, *notes])


def _data(desk: Desk, asked: _Asked, found: Preview) -> dict[str, Any]:
    selection = found.quest.selection
    return {
        "digest": found.digest,
        "currency": desk.settings.billing.currency,
        "price": asked.price,
        "since": iso(selection.since),
        "until": iso(selection.until),
        "link": asked.link,
        "user": asked.user,
        "totals": {
            "users": len(found.users),
            "events": found.total("events"),
            "changes": found.total("changes"),
            "left": found.total("left"),
            "charged": amount(found.total("charged")),
            "would_be": amount(found.total("would_be")),
            "difference": amount(found.total("difference")),
            "below_zero": len(found.below_zero),
        },
        "users": [{**_named(user.owner), **_user_data(user)} for user in found.users],
        "left": [
            {"reference": one.reference, "problem": one.problem, **_named(one.owner)}
            for one in found.left
        ],
        "left_by_problem": dict(sorted(found.left_by_problem.items())),
    }


def _named(owner: Owner) -> dict[str, str]:
    return {"subject": owner.subject, "uid": owner.uid}


def _user_data(user: UserSums) -> dict[str, Any]:
    return {
        "events": user.events,
        "changes": user.changes,
        "left": user.left,
        "charged": amount(user.charged),
        "would_be": amount(user.would_be),
        "difference": amount(user.difference),
        "balance": amount(user.owner.balance),
        "balance_after": amount(user.balance_after),
        "falls_below_zero": user.falls_below_zero,
    }


def _shown(desk: Desk, found: Preview) -> list[object]:
    told = [user for user in found.users if user.changes or user.left or user.open_months]
    headings = ["user", "answers>", "changed>", "charged>", "would be>", "difference>"]
    users = table(
        [*headings, "balance then>", ""],
        [_user_row(user) for user in told],
        empty="No user's charges would change.",
    )
    return [users, "", *_sentences(desk, found, len(told)), *_shown_left(found)]


def _user_row(user: UserSums) -> list[object]:
    return [
        user.owner.subject,
        user.events,
        user.changes,
        amount(user.charged),
        amount(user.would_be),
        amount(user.difference),
        amount(user.balance_after),
        "below zero" if user.falls_below_zero else "",
    ]


def _sentences(desk: Desk, found: Preview, told: int) -> list[str]:
    currency = desk.settings.billing.currency
    totals = (
        f"{found.total('events')} answers of {len(found.users)} users: charged "
        f"{amount(found.total('charged'))}, would be {amount(found.total('would_be'))}, "
        f"difference {amount(found.total('difference'))} {currency}; "
        f"{found.total('changes')} answers would change."
    )
    said = [totals]
    if unchanged := len(found.users) - told:
        said.append(f"Without any change, and not shown: {unchanged} users.")
    if found.below_zero:
        said.append(
            f"{len(found.below_zero)} wallets would fall below zero; `apply` needs "
            "--allow-negative for that."
        )
    return said


def _shown_left(found: Preview) -> list[object]:
    if not found.left:
        return []
    rows = [
        [problem, count, PROBLEMS[problem], _names(found, problem)]
        for problem, count in sorted(found.left_by_problem.items())
    ]
    return ["", "Left as they are:", table(["", "answers>", "why", "such as"], rows, empty="")]


def _names(found: Preview, problem: str) -> list[str]:
    return [one.reference for one in found.left if one.problem == problem][:3]


def _next_step(found: Preview) -> list[str]:
    if not _open_users(found):
        return ["Nothing to book."]
    said = (
        f"Nothing was booked. The digest is {found.digest}; to book exactly this, repeat the "
        f"command with `apply` for `preview` and: --expect {found.digest} --reason '…'"
    )
    return [said]
