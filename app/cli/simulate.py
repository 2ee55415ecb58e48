"""``shareauth simulate``: FastGPT's side of the hooks, and whether the ledger agrees."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from app.cli.frame import Command, Report
from app.cli.output import table
from app.cli.session import open_desk
from app.cli.simulation_stage import build
from app.errors import Invalid
from app.money import format_nano
from app.simulator import payloads
from app.simulator.books import ReadLedger
from app.simulator.chats import Habits
from app.simulator.contract import HOOKS, VIOLATIONS
from app.simulator.fastgpt import Visitor
from app.simulator.progress import watching
from app.simulator.report import document, milliseconds
from app.simulator.run import Options, Result, run
from app.simulator.tally import PERCENTILES, Latency

DIFFERENCES_SHOWN = 20
SHARE = click.FloatRange(0, 1)

HELP = """Play FastGPT's side against a running service, and check the ledger to the last unit.

Simulated visitors open the share page, ask, wait for the answer and look around, over real HTTP
with the bodies of every FastGPT generation since 2023. As FastGPT does it, each question is

\b
  init    several times: the page asks on nearly every read, so it must be cheap
  start   once, and the chat only begins when it is admitted
  finish  once, after the answer, with what every node used; FastGPT neither waits for the
          reply nor ever sends it again, so what is not recorded then is lost

Some chats are aborted (half of them without any finish), some finishes are sent again by a
careless proxy, some visitors ask from two tabs at once, and finishes come out of order.

Beside the service (same settings, same data directory) it makes visitors with credit on a link
and a plan named "simulation", and in the end compares every visitor's points with the exact sum
of what was sent: each answer's total, rounded once to 1e-9, copies counted once. Limits that you
set on that link or plan are obeyed, and refusals counted by code. These are real entries in a
real ledger: rather not run it on one that you send bills from.

With --root-url and --tokens it needs no database and plays against any service; then the ledger
is not checked.

The table shows milliseconds: p99 is what 99 of 100 calls took at most. Exit code 0 means that
every answer was one that FastGPT understands, that questions were admitted, and that the ledger
is equal where it was checked. The seed makes a run repeatable."""

EXAMPLE = """shareauth simulate --chats 2000 --concurrency 32
shareauth simulate --generation G5 --parallel 0.5 --duplicate-rate 0.3
shareauth simulate --root-url https://auth.example/l/KEY --tokens tokens.txt --rate 20"""


@click.command("simulate", cls=Command, help=HELP, example=EXAMPLE)
@click.option(
    "--chats",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="Pages opened, each with a question or two.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Chats at the same time.",
)
@click.option(
    "--visitors",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Different people among whom the chats are spread.",
)
@click.option("--seed", type=click.IntRange(0), help="Repeat the run with this seed.")
@click.option(
    "--generation",
    "generations",
    type=click.Choice(payloads.GENERATIONS),
    multiple=True,
    help="Only bodies of this FastGPT generation, from G0 (2023) to G5 (2026); repeatable.",
)
@click.option(
    "--abort-rate",
    type=SHARE,
    default=0.05,
    show_default=True,
    help="Share of chats cut short; half of these never send a finish.",
)
@click.option(
    "--duplicate-rate",
    type=SHARE,
    default=0.02,
    show_default=True,
    help="Share of finishes that arrive more than once.",
)
@click.option(
    "--parallel",
    "parallel_rate",
    type=SHARE,
    default=0.1,
    show_default=True,
    help="Share of chats whose visitor asks from a second tab meanwhile.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 600),
    default=0.1,
    show_default=True,
    metavar="SECONDS",
    help="Mean time an answer takes.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="PER_SECOND",
    help="Begin no more chats a second than this.",
)
@click.option(
    "--root-url",
    metavar="URL",
    help="With --tokens: a link's root URL, as pasted into FastGPT. Alone: where the service "
    "answers, if not at its configured host and port.",
)
@click.option(
    "--tokens",
    "tokens_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Visitors' tokens, one a line; needs --root-url. '-' reads them from stdin.",
)
def simulate(  # noqa: PLR0913 - one for each option
    *,
    chats: int,
    concurrency: int,
    visitors: int,
    seed: int | None,
    generations: tuple[str, ...],
    abort_rate: float,
    duplicate_rate: float,
    parallel_rate: float,
    wait_s: float,
    rate: float | None,
    root_url: str | None,
    tokens_file: Path | None,
) -> Report:
    habits = Habits(
        generations or payloads.GENERATIONS, abort_rate, duplicate_rate, parallel_rate, wait_s
    )
    chosen = secrets.randbelow(2**32) if seed is None else seed
    options = Options(chats, concurrency, chosen, habits, rate)
    if tokens_file is not None:
        if root_url is None:
            raise click.UsageError("--tokens needs --root-url: whom are they for?")
        result = _play_remote(options, root_url, tokens_file)
    else:
        result = _play_beside(options, visitors, root_url)
    return Report(document(options, result), _shown(options, result), int(not result.is_good))


def _play_remote(options: Options, root_url: str, tokens_file: Path) -> Result:
    with click.open_file(str(tokens_file), encoding="utf-8") as lines:
        tokens = [line.strip() for line in lines]
    known = [Visitor(token, token) for token in tokens if token and not token.startswith("#")]
    if not known:
        raise Invalid(f"{tokens_file} has no token in it", code="tokens_missing")
    return _play(options, root_url, known, None)


def _play_beside(options: Options, visitor_count: int, base_url: str | None) -> Result:
    """On visitors made for this run, with the ledger read back."""
    with open_desk() as desk:
        stage = build(desk, min(visitor_count, options.chats))
        beside = replace(options, rates=stage.rates)
        return _play(beside, stage.root_url(base_url), stage.visitors, stage.read_ledger)


def _play(
    options: Options, root_url: str, visitors: Sequence[Visitor], read_ledger: ReadLedger | None
) -> Result:
    console = Console(stderr=True)
    console.print(
        f"{options.chats} chats of {len(visitors)} visitors, {options.concurrency} at a time, "
        f"seed {options.seed}",
        highlight=False,
    )
    with watching(options.chats, console=console) as observe:
        return run(options, root_url, visitors, read_ledger=read_ledger, observe=observe)


def _shown(options: Options, result: Result) -> list[object]:
    return [
        "",
        *_counts(result),
        "",
        _latencies(result),
        *_refusals(result),
        *_violations(result),
        "",
        *_verdict(options, result),
    ]


def _counts(result: Result) -> list[object]:
    events, tally = result.tally.events, result.tally
    per_second = tally.request_count / max(result.elapsed_s, 1e-9)
    chats = (
        f"{events['chats']} chats, {events['questions']} questions, "
        f"{events['questions_admitted']} admitted; {events['finishes']} finishes, "
        f"{events['copies']} copies of them, {events['answers_lost']} answers without a finish."
    )
    return [
        f"{tally.request_count} requests in {result.elapsed_s:.1f} s, {per_second:.0f} a second.",
        chats,
    ]


def _latencies(result: Result) -> object:
    headings = ["hook", "calls>", *(f"p{share:g} ms>" for share in PERCENTILES), "max ms>"]
    rows = [
        [hook, *_latency_row(latency)]
        for hook in HOOKS
        if (latency := result.tally.latency(hook)) is not None
    ]
    return table(headings, rows, empty="No hook was called.")


def _latency_row(latency: Latency) -> list[str]:
    count, *shown = milliseconds(latency).values()
    return [str(count), *(f"{value:.1f}" for value in shown)]


def _refusals(result: Result) -> list[object]:
    refusals = result.tally.refusals
    if not refusals:
        return []
    rows = [[hook, code, str(count)] for (hook, code), count in refusals.most_common()]
    return ["", table(["refused by", "code", "times>"], rows, empty="")]


def _violations(result: Result) -> list[object]:
    tally = result.tally
    if not tally.violations:
        return []
    rows = [
        [hook, kind, str(count), VIOLATIONS[kind]]
        for (hook, kind), count in tally.violations.most_common()
    ]
    samples = [f"  {sample}" for sample in tally.samples]
    broken = table(["hook", "broken answer", "times>", "what it means"], rows, empty="")
    return ["", broken, "", "Such as:", *samples]


def _verdict(options: Options, result: Result) -> list[object]:
    said: list[object] = [*_contract_verdict(result), *_ledger_verdict(result)]
    if result.was_stopped:
        said.append("Stopped before the end; what was begun has been settled and checked.")
    if not result.is_good:
        said.append(f"Repeat it with --seed {options.seed}.")
    return said


def _contract_verdict(result: Result) -> list[object]:
    if not result.is_contract_kept:
        broken = sum(result.tally.violations.values())
        return [f"✗ The contract was broken {broken} times: FastGPT's visitors would notice."]
    if not result.has_asked:
        return ["✗ No question was admitted, so nothing was shown to work."]
    return ["✓ Every answer was one that FastGPT understands."]


def _ledger_verdict(result: Result) -> list[object]:
    due = result.tally.due.values()
    sent = f"{format_nano(sum(owed.points for owed in due))} points of {len(due)} visitors"
    if result.differences is None:
        return [f"- The ledger was NOT checked (no access to it); {sent} were sent."]
    if not result.differences:
        charged = format_nano(sum(held.charge for held in result.booked.values()))
        return [f"✓ The ledger equals what was sent, to the last unit: {sent}, charged {charged}."]
    rows = [
        [found.subject, found.what, found.expected, found.booked, found.hint]
        for found in result.differences[:DIFFERENCES_SHOWN]
    ]
    headings = ["visitor", "what", "expected>", "in the ledger>", "hint"]
    count = len(result.differences)
    more = count - len(rows)
    return [
        f"✗ The ledger differs from what was sent in {count} places ({sent}):",
        table(headings, rows, empty=""),
        *([f"… and {more} more."] if more else []),
    ]
